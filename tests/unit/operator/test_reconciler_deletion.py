"""Deletion: the order, the policy, and that nothing outside can hold it up for ever (O12)."""

from typing import Any

import pytest

from holded_operator.exceptions import DatabaseUnavailableError, KafkaUnavailableError
from holded_operator.reconciler import Reconciler, Verdict
from tests.support.operator_fakes import World, pipeline

DELETE_ALL = {"topics": "Delete", "schemas": "Delete", "database": "Delete"}


def installed(**spec: Any) -> tuple[World, Reconciler]:
    world = World()
    world.kubernetes.create(pipeline(**spec))
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.make_ready()
    operator.reconcile("tests", "demo")
    world.forget_writes()
    world.kubernetes.request_deletion("demo")
    return world, operator


def finish(world: World, operator: Reconciler, *, seconds_a_pass: float = 1.0, passes: int = 60) -> float:
    """Run passes until the resource is gone; return the seconds it took."""
    started = world.seconds
    for _ in range(passes):
        if operator.reconcile("tests", "demo").verdict is Verdict.GONE:
            return world.seconds - started
        world.kubernetes.finish_foreground_deletions()
        world.seconds += seconds_a_pass
    raise AssertionError("the resource is still there")


def test_retain_keeps_topics_subjects_and_tables() -> None:
    world, operator = installed()
    finish(world, operator)
    assert world.kubernetes.objects == {}
    assert len(world.kafka.topics) == len(world.registry.subjects) == 5
    assert world.database.applied == list(world.database.MIGRATIONS)


def test_delete_removes_all_of_them() -> None:
    world, operator = installed(deletionPolicy=DELETE_ALL)
    finish(world, operator)
    assert world.kafka.topics == {}
    assert world.registry.subjects == {}
    assert world.database.applied is None


def test_a_topic_of_others_survives_the_policy() -> None:
    world = World()
    world.kafka.create_topic(None, "events.raw", partitions=3, replication_factor=1, config={})  # type: ignore[arg-type]
    world.kubernetes.create(pipeline(deletionPolicy=DELETE_ALL, topics={"raw": {"managed": False}}))
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.request_deletion("demo")
    finish(world, operator)
    assert set(world.kafka.topics) == {"events.raw"}


def test_workloads_stop_in_the_direction_of_the_flow_and_before_their_topics_go() -> None:
    world, operator = installed(deletionPolicy=DELETE_ALL)
    finish(world, operator)
    stops = [what for what in world.writes.done if what.startswith("delete ")]
    assert stops[:3] == [
        "delete Deployment demo-collector",
        "delete StatefulSet demo-worker",
        "delete StatefulSet demo-sink",
    ]
    assert stops[3].startswith("delete topic")


def test_the_next_stage_stops_only_when_the_pods_before_are_gone() -> None:
    world, operator = installed()
    operator.reconcile("tests", "demo")
    operator.reconcile("tests", "demo")
    assert ("StatefulSet", "demo-worker") in world.kubernetes.objects
    assert "deletionTimestamp" not in world.kubernetes.objects["StatefulSet", "demo-worker"]["metadata"]
    world.kubernetes.finish_foreground_deletions()
    operator.reconcile("tests", "demo")
    assert "deletionTimestamp" in world.kubernetes.objects["StatefulSet", "demo-worker"]["metadata"]


def test_pods_that_never_stop_do_not_hold_the_deletion_for_ever() -> None:
    world, operator = installed()
    for _ in range(400):
        if operator.reconcile("tests", "demo").verdict is Verdict.GONE:
            break
        world.seconds += 1
    assert "demo" not in world.kubernetes.pipelines
    assert "DrainTimedOut" in {reason for _, reason, _ in world.kubernetes.events}


def test_it_completes_with_kafka_and_mysql_gone_and_says_what_is_left_behind() -> None:
    world, operator = installed(deletionPolicy=DELETE_ALL)
    world.kafka.error = KafkaUnavailableError("kafka:9092", "refused")
    world.database.error = DatabaseUnavailableError("mysql:3306", "refused")
    assert 30 <= finish(world, operator) <= 45
    assert world.registry.subjects == {}, "what can be reached is deleted"
    left = [message for _, reason, message in world.kubernetes.events if reason == "LeftBehind"]
    assert len(left) == 6
    assert any("topic events.raw" in message and "kafka:9092" in message for message in left)
    assert any("database holded" in message and "mysql:3306" in message for message in left)


def test_a_system_that_comes_back_in_time_is_cleaned() -> None:
    world, operator = installed(deletionPolicy=DELETE_ALL)
    world.kafka.error = KafkaUnavailableError("kafka:9092", "refused")
    for _ in range(10):
        operator.reconcile("tests", "demo")
        world.kubernetes.finish_foreground_deletions()
        world.seconds += 1
    world.kafka.error = None
    finish(world, operator)
    assert world.kafka.topics == {}
    assert "LeftBehind" not in {reason for _, reason, _ in world.kubernetes.events}


def test_missing_credentials_do_not_hold_it_either() -> None:
    world, operator = installed(deletionPolicy=DELETE_ALL)
    del world.kubernetes.secrets["mysql"]
    finish(world, operator)
    assert world.database.applied is not None
    assert "LeftBehind" in {reason for _, reason, _ in world.kubernetes.events}


def test_an_unreadable_spec_can_be_deleted() -> None:
    world, operator = installed(deletionPolicy=DELETE_ALL)
    world.kubernetes.pipelines["demo"]["spec"] = {"nonsense": True}
    finish(world, operator)
    assert "demo" not in world.kubernetes.pipelines
    assert "LeftBehind" in {reason for _, reason, _ in world.kubernetes.events}


@pytest.mark.parametrize("finalizers", [[], ["other/finalizer"]])
def test_a_resource_that_is_going_without_our_finalizer_is_left_alone(finalizers: list[str]) -> None:
    world = World()
    world.kubernetes.create(pipeline())
    metadata = world.kubernetes.pipelines["demo"]["metadata"]
    metadata["deletionTimestamp"], metadata["finalizers"] = "2026-01-01T00:00:00Z", finalizers
    world.operator().reconcile("tests", "demo")
    assert world.writes.done == []
    assert world.kafka.topics == {}
