"""The operator is killed at its k-th write, for every k, before and after the write took effect: same end state (O7)."""

from collections.abc import Callable
from typing import Any

import pytest

from holded_operator.reconciler import Verdict
from tests.support.fake_writes import KilledError
from tests.support.operator_fakes import World, pipeline

MAX_PASSES = 20


def settle(world: World, *, until: Callable[[Verdict], bool]) -> None:
    """Run passes of one operator until it has nothing more to do."""
    operator = world.operator()
    for _ in range(MAX_PASSES):
        verdict = operator.reconcile("tests", "demo").verdict
        world.kubernetes.make_ready()
        world.kubernetes.finish_foreground_deletions()
        if until(verdict):
            return
    raise AssertionError("still not settled")


def install(world: World) -> None:
    world.kubernetes.create(pipeline(deletionPolicy={"topics": "Delete", "schemas": "Delete", "database": "Delete"}))
    settle(world, until=lambda verdict: verdict is Verdict.CONVERGED)


def update(world: World) -> None:
    install(world)
    topics = {"raw": {"partitions": 6}, "silver": {"partitions": 6, "retention": "1d"}}
    world.kubernetes.edit("demo", topics=topics, collector={"replicas": 2}, schemas={"compatibility": "FULL"})
    settle(world, until=lambda verdict: verdict is Verdict.CONVERGED)


def remove(world: World) -> None:
    install(world)
    world.kubernetes.request_deletion("demo")
    settle(world, until=lambda verdict: verdict is Verdict.GONE)


RUNNERS: tuple[dict[str, Any], ...] = (
    {"runner": "Flink"},
    {"runner": "Flink", "flink": {"mode": "Operator"}},
    {"runner": "Embedded"},
)


def to_flink_and_back(world: World) -> None:
    install(world)
    for worker in RUNNERS:
        world.kubernetes.edit("demo", worker=worker)
        settle(world, until=lambda verdict: verdict is Verdict.CONVERGED)


def remove_from_flink(world: World) -> None:
    world.kubernetes.create(pipeline(worker={"runner": "Flink"}, deletionPolicy={"topics": "Delete"}))
    settle(world, until=lambda verdict: verdict is Verdict.CONVERGED)
    world.kubernetes.request_deletion("demo")
    settle(world, until=lambda verdict: verdict is Verdict.GONE)


SCENARIOS = {
    "install": install,
    "update": update,
    "remove": remove,
    "to Flink and back": to_flink_and_back,
    "remove from Flink": remove_from_flink,
}


def resume(world: World) -> None:
    """Start the operator again after it was killed, and let it end what it had begun."""
    gone = "demo" not in world.kubernetes.pipelines
    deleting = not gone and "deletionTimestamp" in world.kubernetes.pipelines["demo"]["metadata"]
    wanted = Verdict.GONE if gone or deleting else Verdict.CONVERGED
    settle(world, until=lambda verdict: verdict is wanted)


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_write_it_ends_in_the_same_state(scenario: str, *, after_effect: bool) -> None:
    undisturbed = World()
    SCENARIOS[scenario](undisturbed)
    expected, writes = undisturbed.state(), undisturbed.writes.tried
    assert writes > 20

    for k in range(1, writes + 1):
        world = World()
        world.writes.kill_at, world.writes.kill_after_effect = k, after_effect
        try:
            SCENARIOS[scenario](world)
        except KilledError:
            # What the user had not done yet when the operator died, he does now.
            replay(world, scenario)
        assert world.state() == expected, f"killed at write {k} of {writes}"


def replay(world: World, scenario: str) -> None:
    resume(world)
    if scenario == "update" and world.kafka.topics["events.raw"].partitions == 3:
        topics = {"raw": {"partitions": 6}, "silver": {"partitions": 6, "retention": "1d"}}
        world.kubernetes.edit("demo", topics=topics, collector={"replicas": 2}, schemas={"compatibility": "FULL"})
        resume(world)
    if scenario == "to Flink and back":
        done = world.kubernetes.pipelines["demo"]["metadata"]["generation"] - 1
        for worker in RUNNERS[done:]:
            world.kubernetes.edit("demo", worker=worker)
            resume(world)
    if scenario.startswith("remove") and "demo" in world.kubernetes.pipelines:
        world.kubernetes.request_deletion("demo")
        resume(world)
