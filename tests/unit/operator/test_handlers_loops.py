"""The loops: when passes run, that they never overlap, and that nothing ends them but the resource's end."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from holded_operator.config import OperatorConfig
from holded_operator.exceptions import KubernetesUnavailableError
from holded_operator.handlers import loops as module
from holded_operator.handlers.health import Liveness
from holded_operator.handlers.loops import TICKS, ReconcileLoops
from holded_operator.reconciler import Outcome, Verdict
from tests.support.waiting import wait_until

FAST = OperatorConfig(resync_seconds=1.0, progress_seconds=0.1)
SLOW = OperatorConfig(resync_seconds=3600, progress_seconds=3600)


class Passes:
    """A reconcile function that records its calls and answers by a script; the last answer repeats."""

    def __init__(self, *script: Outcome | Exception) -> None:
        self.script = list(script)
        self.calls: list[tuple[str, str]] = []
        self.running = self.most_at_once = 0
        self.hold: threading.Event | None = None
        self._lock = threading.Lock()

    def __call__(self, namespace: str, name: str) -> Outcome:
        with self._lock:
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
            self.calls.append((namespace, name))
            answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        try:
            if self.hold is not None:
                assert self.hold.wait(10)
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            with self._lock:
                self.running -= 1


Make = Callable[[Passes, OperatorConfig], ReconcileLoops]


@pytest.fixture
async def loops() -> AsyncIterator[Make]:
    made: list[ReconcileLoops] = []

    def make(passes: Passes, config: OperatorConfig) -> ReconcileLoops:
        made.append(ReconcileLoops(passes, config, Liveness(), spacing_seconds=0.01))
        return made[-1]

    yield make
    for item in made:
        await item.stop()


async def eventually(predicate: Callable[[], bool]) -> None:
    """Poll in a thread, so that the loops under test run on."""
    await asyncio.to_thread(wait_until, predicate, timeout=5, interval=0.005)


async def test_a_converged_resource_is_looked_at_again_by_time(loops: Make) -> None:
    passes = Passes(Outcome(Verdict.CONVERGED, 1))
    loops(passes, FAST).wake("ns", "a")
    await eventually(lambda: len(passes.calls) >= 2)


async def test_resyncs_of_many_resources_begin_at_common_moments(loops: Make) -> None:
    item = loops(Passes(Outcome(Verdict.CONVERGED, 1)), OperatorConfig(resync_seconds=30))
    tick = 30 / TICKS
    for now in (0.0, 1000.1, 86_400.7):
        for seconds in (27.0, 28.3, 31.7, 33.0):
            pause = item._until_tick(now, seconds)
            assert 0 <= pause - seconds < tick, "never sooner than asked for, and at the first tick after"
            assert (now + pause) / tick == pytest.approx(round((now + pause) / tick), abs=1e-6)


async def test_an_unsettled_resource_is_looked_at_sooner_with_growing_delay(loops: Make) -> None:
    passes = Passes(Outcome(Verdict.FAILING, 1))
    item = loops(passes, FAST)
    assert item._delay(1) < item._delay(3) < FAST.resync_seconds
    assert item._delay(50) <= FAST.resync_seconds * 1.1
    item.wake("ns", "a")
    await eventually(lambda: len(passes.calls) >= 3)


async def test_a_wake_brings_a_pass_at_once(loops: Make) -> None:
    passes = Passes(Outcome(Verdict.CONVERGED, 1))
    item = loops(passes, SLOW)
    assert item.wake("ns", "a")
    await eventually(lambda: len(passes.calls) == 1)
    assert not item.wake("ns", "a")
    await eventually(lambda: len(passes.calls) == 2)


async def test_wakes_during_a_pass_lead_to_one_more_after_it_and_never_to_two_at_once(loops: Make) -> None:
    passes = Passes(Outcome(Verdict.CONVERGED, 1))
    passes.hold = threading.Event()
    item = loops(passes, SLOW)
    item.wake("ns", "a")
    await eventually(lambda: passes.running == 1)
    for _ in range(50):
        item.wake("ns", "a")
    passes.hold.set()
    await eventually(lambda: len(passes.calls) == 2)
    await asyncio.sleep(0.1)
    assert len(passes.calls) == 2
    assert passes.most_at_once == 1


async def test_resources_do_not_wait_for_one_another(loops: Make) -> None:
    passes = Passes(Outcome(Verdict.CONVERGED, 1))
    passes.hold = threading.Event()
    item = loops(passes, SLOW)
    item.wake("ns", "a")
    item.wake("ns", "b")
    await eventually(lambda: passes.most_at_once == 2)
    passes.hold.set()


async def test_a_loop_ends_with_its_resource_and_begins_again_with_a_namesake(loops: Make) -> None:
    passes = Passes(Outcome(Verdict.GONE))
    item = loops(passes, SLOW)
    item.wake("ns", "a")
    await eventually(lambda: not item._loops)
    assert item.wake("ns", "a"), "a new loop"
    await eventually(lambda: len(passes.calls) == 2)


async def test_a_wake_during_the_last_pass_is_not_lost(loops: Make) -> None:
    passes = Passes(Outcome(Verdict.GONE), Outcome(Verdict.CONVERGED, 1))
    passes.hold = threading.Event()
    item = loops(passes, SLOW)
    item.wake("ns", "a")
    await eventually(lambda: passes.running == 1)
    item.wake("ns", "a")
    passes.hold.set()
    await eventually(lambda: len(passes.calls) == 2)
    assert ("ns", "a") in item._loops


@pytest.mark.parametrize("fault", [KubernetesUnavailableError("api", "reset"), ZeroDivisionError("a bug")], ids=repr)
async def test_a_failing_pass_does_not_end_the_loop(loops: Make, fault: Exception) -> None:
    passes = Passes(fault, Outcome(Verdict.CONVERGED, 1))
    loops(passes, FAST).wake("ns", "a")
    await eventually(lambda: len(passes.calls) >= 2)


async def test_the_audit_finds_what_no_event_told_of(loops: Make) -> None:
    passes, listed = Passes(Outcome(Verdict.CONVERGED, 1)), asyncio.Event()
    item = loops(passes, SLOW)
    audit = asyncio.create_task(item.audit(lambda namespaces: [("ns", "lost")], listed))
    await eventually(lambda: passes.calls == [("ns", "lost")])
    assert listed.is_set()
    audit.cancel()


async def test_stop_waits_for_running_passes_and_takes_no_more(loops: Make) -> None:
    passes = Passes(Outcome(Verdict.CONVERGED, 1))
    item = loops(passes, SLOW)
    item.wake("ns", "a")
    await eventually(lambda: len(passes.calls) == 1)
    await item.stop()
    assert item._loops == {}
    assert not item.wake("ns", "b")
    assert len(passes.calls) == 1


async def test_time_alone_leads_to_a_resync_and_a_reason_to_a_whole_pass(loops: Make) -> None:
    whole, resync = Passes(Outcome(Verdict.CONVERGED, 1)), Passes(Outcome(Verdict.CONVERGED, 1))
    item = loops(whole, FAST)
    item._resync = resync
    item.wake("ns", "a")
    await eventually(lambda: len(resync.calls) >= 1)
    assert len(whole.calls) == 1
    item.wake("ns", "a")
    await eventually(lambda: len(whole.calls) == 2)
    resync.script = [Outcome(Verdict.FAILING, 1)]
    await eventually(lambda: len(whole.calls) >= 4)


async def test_the_audit_leaves_resources_alone_that_are_looked_after(
    loops: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AUDIT_SECONDS", 0.01)
    passes, listed, audits = Passes(Outcome(Verdict.CONVERGED, 1)), asyncio.Event(), 0

    def list_pipelines(namespaces: object) -> list[tuple[str, str]]:
        nonlocal audits
        audits += 1
        return [("ns", "a")]

    audit = asyncio.create_task(loops(passes, SLOW).audit(list_pipelines, listed))
    await eventually(lambda: audits >= 20)
    audit.cancel()
    assert passes.calls == [("ns", "a")], "a pass without a reason costs a dozen requests, for each resource"


@pytest.mark.parametrize("woken", [False, True], ids=["by time", "by an event"])
async def test_no_pass_comes_before_the_server_wants_to_be_asked_again(loops: Make, *, woken: bool) -> None:
    busy = KubernetesUnavailableError("api", "HTTP 429", retry_after_seconds=0.6)
    passes, at = Passes(busy, Outcome(Verdict.CONVERGED, 1)), []
    item = loops(passes, FAST)

    def timed(namespace: str, name: str) -> Outcome:
        at.append(time.monotonic())
        return passes(namespace, name)

    item._reconcile = timed
    item.wake("ns", "a")
    await eventually(lambda: len(at) == 1)
    if woken:
        item.wake("ns", "a")
    await eventually(lambda: len(at) == 2)
    assert at[1] - at[0] >= 0.6


async def test_stop_does_not_wait_for_a_server_that_wants_to_be_asked_later(loops: Make) -> None:
    passes = Passes(KubernetesUnavailableError("api", "HTTP 429", retry_after_seconds=30))
    item = loops(passes, FAST)
    item.wake("ns", "a")
    await eventually(lambda: len(passes.calls) == 1)
    item.wake("ns", "a")
    started = time.monotonic()
    await item.stop()
    assert time.monotonic() - started < 5
