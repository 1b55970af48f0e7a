"""The elector on a real clock: it waits, keeps, gives back, and ends in time when it cannot renew."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from holded_operator import leadership
from holded_operator.context import Context
from holded_operator.exceptions import OperatorError
from holded_operator.handlers.election import Elector
from holded_operator.handlers.health import LEADER, State
from holded_operator.leadership import Candidate, NotLeadingError, fenced
from holded_operator.reconciler import Reconciler
from tests.support.fake_own_objects import FakeOwnObjects
from tests.support.operator_fakes import World, pipeline
from tests.support.waiting import wait_until

RETRY = 0.05


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "LEASE_SECONDS", 3.0)
    monkeypatch.setattr(leadership, "LEADING_SECONDS", 1.5)


class Replica:
    def __init__(self, name: str, leases: FakeOwnObjects) -> None:
        self.candidate = Candidate(name)
        self.elector = Elector(leases, self.candidate, retry_seconds=RETRY)

    async def lead(self) -> float:
        """Lead for as long as it goes; returns when it was over."""
        await self.elector.acquire()
        await self.elector.keep()
        return time.monotonic()


@pytest.fixture
async def leases() -> AsyncIterator[FakeOwnObjects]:
    made = FakeOwnObjects()
    yield made
    made.free.set()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Poll beside the event loop, which goes on."""
    await asyncio.to_thread(wait_until, condition, timeout=seconds, interval=0.005)


async def test_the_follower_takes_over_at_once_when_the_leader_stops(leases: FakeOwnObjects) -> None:
    a, b = Replica("a", leases), Replica("b", leases)
    leading, following = asyncio.create_task(a.lead()), asyncio.create_task(b.lead())
    await until(a.candidate.leads)
    await until(lambda: b.candidate.holder == "a")
    leading.cancel()
    started = time.monotonic()
    await a.elector.release()
    await until(b.candidate.leads)
    assert time.monotonic() - started < 1.5, "sooner than by the Lease's end"
    following.cancel()
    await b.elector.release()
    assert leases.holder == ""


@pytest.mark.parametrize("trouble", ["away", "hanging"])
async def test_a_leader_that_cannot_renew_ends_before_another_leads(leases: FakeOwnObjects, trouble: str) -> None:
    others = FakeOwnObjects()
    a, b = Replica("a", leases), Replica("b", others)
    leading = asyncio.create_task(a.lead())
    await until(a.candidate.leads)
    others.lease = leases.lease  # the API server as the other one sees it
    following = asyncio.create_task(b.lead())
    await until(lambda: b.candidate.holder == "a")
    if trouble == "away":
        leases.away = True
    else:
        leases.free.clear()
    both: list[bool] = []

    async def watch() -> None:
        await until(b.candidate.leads)
        both.append(a.candidate.leads())

    watching = asyncio.create_task(watch())
    over = await asyncio.wait_for(leading, 10)
    await asyncio.wait_for(watching, 10)
    assert both == [False]
    assert over < time.monotonic()
    following.cancel()
    leases.free.set()


async def test_the_leader_ends_when_another_holds_the_lease(leases: FakeOwnObjects) -> None:
    a = Replica("a", leases)
    leading = asyncio.create_task(a.lead())
    await until(a.candidate.leads)

    def steal() -> bool:
        try:
            lease = leases.read_lease()
            leases.write_lease(lease | {"spec": lease["spec"] | {"holderIdentity": "b"}})
        except OperatorError:
            return False
        return True

    await until(steal)
    await asyncio.wait_for(leading, 1.0)
    assert LEADER._value.get() == 0
    await a.elector.release()
    assert leases.holder == "b"


async def test_a_fault_of_our_own_ends_the_leadership_and_not_the_election(
    leases: FakeOwnObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = Replica("a", leases)
    leading = asyncio.create_task(a.lead())
    await until(a.candidate.leads)
    with monkeypatch.context() as patch:
        patch.setattr(leases, "read_lease", lambda: 1 / 0)
        await asyncio.wait_for(leading, 5)
    await asyncio.wait_for(a.elector.acquire(), 5)


async def test_a_pass_ends_at_its_next_call_once_it_leads_no_more(leases: FakeOwnObjects) -> None:
    world, a = World(), Replica("a", leases)
    await a.elector.acquire()
    world.kubernetes.create(pipeline())
    context = world.context()
    leads = a.candidate.leads
    fence = Context(
        config=context.config,
        images=context.images,
        kubernetes=fenced(context.kubernetes, leads),
        kafka=fenced(context.kafka, leads),
        registry=fenced(context.registry, leads),
        database=fenced(context.database, leads),
        flink=fenced(context.flink, leads),
        now=context.now,
        clock=context.clock,
    )
    a_pass = Reconciler(fence)
    create = world.kafka.create_topic

    def last_call(*arguments: object, **options: object) -> None:
        create(*arguments, **options)  # type: ignore[arg-type]
        a.candidate.resign()

    world.kafka.create_topic = last_call  # type: ignore[method-assign]
    with pytest.raises(NotLeadingError):
        a_pass.reconcile("tests", "demo")
    assert world.writes.done == ["finalizers", "create topic events.ledger"]


def test_readiness_tells_what_a_replica_does() -> None:
    candidate, listed = Candidate("a"), asyncio.Event()
    state = State(candidate, listed)
    assert state.unready() == "nobody leads yet"
    candidate.wish({"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": "b"}})
    assert (state.unready(), state.describe()) == (None, "standing by: b leads")
    candidate.won(time.monotonic())
    assert state.unready() == "the resources have not been listed yet"
    listed.set()
    assert (state.unready(), state.describe()) == (None, "leading")
