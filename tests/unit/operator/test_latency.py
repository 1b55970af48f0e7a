"""What canaries make of the status: honest about events that do not arrive, silent while nothing happens."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from holded_operator.api.v1alpha1 import HoldedPipelineStatus
from holded_operator.gateways.interfaces import CanarySeen, LedgerTotals
from holded_operator.latency import EVENTS_FLOW, Reading, Verdict, events_flow, latency_status
from holded_operator.remedies import remedy
from tests.support.operator_fakes import World, condition, pipeline
from tests.unit.operator.samples import sample

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = ("tests", "demo")


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def verdict(sent: float | None, ready: float | None, **spec: Any) -> Verdict:
    newest = None if sent is None else CanarySeen(ago(sent), 300)
    since = None if ready is None else ago(ready)
    return events_flow(sample("minimal", spec).spec, Reading(newest), NOW, ready_since=since)


@pytest.mark.parametrize(
    ("sent", "ready", "ok", "reason"),
    [
        (90, 1000, True, "CanariesArrive"),
        (-5, 1000, True, "CanariesArrive"),
        (10, None, True, "CanariesArrive"),
        (91, 1000, False, "CanaryLate"),
        (None, 1000, False, "CanaryLate"),
        (None, 90, None, "CanaryPending"),
        (5000, 90, None, "CanaryPending"),
        (5000, 91, False, "CanaryLate"),
        (5000, None, None, "CanaryPending"),
    ],
)
def test_a_canary_is_late_after_three_periods_of_a_ready_pipeline(
    sent: float | None, ready: float | None, ok: bool | None, reason: str
) -> None:
    assert verdict(sent, ready)[:2] == (ok, reason)
    assert remedy(reason) is not None


def test_the_period_decides_what_is_late_and_the_message_names_it() -> None:
    slow = {"monitoring": {"canary": {"period": "2m"}}}
    assert verdict(360, 1000, **slow).ok
    late = verdict(361, 1000, **slow)
    assert not late.ok
    assert "3 times 2m" in late.message
    assert "2026-01-01T11:53:59Z" in late.message


def test_nobody_is_late_who_sends_nothing() -> None:
    assert verdict(5000, 5000, suspend=True)[:2] == (None, "Suspended")
    assert verdict(5000, 5000, collector={"replicas": 0})[:2] == (None, "CanaryPending")


@pytest.mark.parametrize(
    ("before", "found", "shown"),
    [
        (300, 950, 300),
        (999, 1, 999),
        (950, 1000, 950),
        (900, 1801, 1801),
        (1500, 3000, 1500),
        (1500, 3001, 3001),
        (3000, 1499, 1499),
    ],
)
def test_a_latency_stands_until_one_is_clearly_another(before: int, found: int, shown: int) -> None:
    status = latency_status({"canaryMilliseconds": before, "at": "then"}, CanarySeen(NOW, found), NOW)
    assert status == {"canaryMilliseconds": shown, "at": "then" if shown == before else "2026-01-01T12:00:00Z"}


def test_clocks_that_differ_make_no_negative_latency() -> None:
    assert latency_status(None, CanarySeen(NOW, -3), NOW)["canaryMilliseconds"] == 0


@pytest.fixture
def world() -> World:
    found = World()
    found.kubernetes.create(pipeline())
    return found


def status(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.kubernetes.pipelines["demo"]["status"]
    return found


def test_canaries_that_come_and_go_at_their_pace_write_nothing(world: World) -> None:
    operator = world.converged()
    assert status(world)["latency"] == {"canaryMilliseconds": 420, "at": "2026-01-01T00:00:00Z"}
    assert condition(world, EVENTS_FLOW)["status"] == "True"
    HoldedPipelineStatus.model_validate(status(world))
    for milliseconds in (180, 640, 300, 999, 210):
        world.seconds += 30
        world.database.canary = partial(CanarySeen, world.now(), milliseconds)
        operator.resync(*KEY)
    assert world.writes.done == []


def test_canaries_that_stop_turn_a_condition_and_leave_ready_as_it_is(world: World) -> None:
    operator = world.converged()
    ready = condition(world, "Ready")
    last = CanarySeen(world.now(), 420)
    world.database.canary = lambda: last
    for _ in range(6):
        world.seconds += 30
        operator.resync(*KEY)
    assert (condition(world, EVENTS_FLOW)["status"], condition(world, EVENTS_FLOW)["reason"]) == ("False", "CanaryLate")
    assert "latency" not in status(world), "an old latency would look like health"
    assert condition(world, "Ready") == ready
    assert status(world)["phase"] == "Running"
    assert sum("status" in write for write in world.writes.done) == 1
    assert [kind for kind, reason, _ in world.kubernetes.events if reason == "CanaryLate"] == ["Warning"]

    world.database.canary = lambda: CanarySeen(world.now(), 700)
    operator.resync(*KEY)
    assert condition(world, EVENTS_FLOW)["status"] == "True"
    assert status(world)["latency"]["canaryMilliseconds"] == 700


def test_a_database_that_cannot_be_read_leaves_what_was_known(world: World) -> None:
    operator = world.converged()
    before = status(world)
    world.database.totals = None
    world.seconds += 1000
    operator.resync(*KEY)
    assert status(world)["latency"] == before["latency"]
    assert condition(world, EVENTS_FLOW)["status"] == "True"


def test_a_suspended_pipeline_has_no_latency_and_is_not_late_when_it_is_resumed(world: World) -> None:
    operator = world.converged()
    last = CanarySeen(world.now(), 420)
    world.database.canary = lambda: last
    world.kubernetes.edit("demo", suspend=True)
    operator.reconcile(*KEY)
    assert condition(world, EVENTS_FLOW)["reason"] == "Suspended"
    assert "latency" not in status(world)
    world.seconds += 10_000
    world.kubernetes.edit("demo", suspend=False)
    for _ in range(3):
        operator.reconcile(*KEY)
        world.kubernetes.make_ready()
    assert condition(world, "Ready")["status"] == "True"
    assert condition(world, EVENTS_FLOW)["reason"] == "CanaryPending"


def test_switching_canaries_off_takes_them_out_of_the_status(world: World) -> None:
    operator = world.converged()
    world.kubernetes.edit("demo", monitoring={"canary": {"enabled": False}})
    operator.reconcile(*KEY)
    assert "latency" not in status(world)
    assert EVENTS_FLOW not in [entry["type"] for entry in status(world)["conditions"]]


def test_the_ledger_leaves_out_canaries_that_have_arrived(world: World) -> None:
    world.kafka.ends["events.raw"] = {0: 10, 1: 20, 2: 0}
    world.database.totals = LedgerTotals(former=0, gold=11, dead_letters=3, duplicates=1, canaries=14)
    world.converged()
    found = {key: value for key, value in status(world)["ledger"].items() if key != "at"}
    assert found == {"accepted": 16, "gold": 11, "deadLetters": 3, "duplicates": 1, "inFlight": 1}
