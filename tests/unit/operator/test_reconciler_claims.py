"""Several pipelines in one world: whose topic it is, and what a deletion leaves to the others (O13)."""

from typing import Any

import pytest

from holded_operator.gateways.interfaces import Body
from holded_operator.reconciler import Reconciler, Verdict
from tests.support.operator_fakes import World, condition, pipeline

TOPICS = ("raw", "silver", "deadLetter", "analytics", "ledger")


def born(name: str, created: str, **spec: Any) -> Body:
    body = pipeline(name, **spec)
    body["metadata"]["creationTimestamp"] = created
    return body


def own_topics(name: str) -> dict[str, Any]:
    return {topic: {"name": f"{name}.{topic}"} for topic in TOPICS}


def world_of(*bodies: Body) -> tuple[World, Reconciler]:
    world = World()
    for body in bodies:
        world.kubernetes.create(body)
    return world, world.operator()


def delete(world: World, operator: Reconciler, name: str) -> None:
    world.kubernetes.request_deletion(name)
    for _ in range(60):
        if operator.reconcile("tests", name).verdict is Verdict.GONE:
            return
        world.kubernetes.finish_foreground_deletions()
        world.seconds += 1
    raise AssertionError("the resource is still there")


@pytest.mark.parametrize("first", ["older", "newer"])
def test_the_older_pipeline_keeps_a_topic_and_the_newer_says_whose_it_is(first: str) -> None:
    world, operator = world_of(
        born("older", "2026-01-01T00:00:00Z"),
        born("newer", "2026-01-02T00:00:00Z", topics=own_topics("newer") | {"silver": {"name": "events.silver"}}),
    )
    for name in (first, "older", "newer"):
        operator.reconcile("tests", name)
    assert condition(world, "TopicsReady", "older")["status"] == "True"
    refused = condition(world, "TopicsReady", "newer")
    assert (refused["status"], refused["reason"]) == ("False", "TopicClaimed")
    assert refused["message"].startswith(
        "spec.topics.silver.name: topic 'events.silver' belongs to HoldedPipeline tests/older"
    )
    assert not any(name.startswith("newer") for _, name in world.kubernetes.objects)
    assert not any(name.startswith("newer.") for name in world.kafka.topics)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"topics": own_topics("newer")}, id="other names"),
        pytest.param({"kafka": {"bootstrapServers": "another:9092"}}, id="another Kafka"),
    ],
)
def test_pipelines_that_share_no_topic_do_not_meet(spec: dict[str, Any]) -> None:
    world, operator = world_of(born("older", "2026-01-01T00:00:00Z"), born("newer", "2026-01-02T00:00:00Z", **spec))
    for name in ("older", "newer"):
        operator.reconcile("tests", name)
        assert condition(world, "TopicsReady", name)["status"] == "True"


def test_the_newer_takes_over_when_the_older_is_gone() -> None:
    world, operator = world_of(born("older", "2026-01-01T00:00:00Z"), born("newer", "2026-01-02T00:00:00Z"))
    operator.reconcile("tests", "older")
    operator.reconcile("tests", "newer")
    delete(world, operator, "older")
    operator.reconcile("tests", "newer")
    assert condition(world, "TopicsReady", "newer")["status"] == "True"


def test_deleting_a_refused_pipeline_removes_nothing_of_the_other_s() -> None:
    everything = {"topics": "Delete", "schemas": "Delete", "database": "Delete"}
    world, operator = world_of(
        born("older", "2026-01-01T00:00:00Z"), born("newer", "2026-01-02T00:00:00Z", deletionPolicy=everything)
    )
    operator.reconcile("tests", "older")
    operator.reconcile("tests", "newer")
    delete(world, operator, "newer")
    assert len(world.kafka.topics) == len(world.registry.subjects) == 5
    assert world.database.applied == list(world.database.MIGRATIONS)


def test_a_settled_pipeline_does_not_list_the_others() -> None:
    world, operator = world_of(born("older", "2026-01-01T00:00:00Z"))
    operator.reconcile("tests", "older")
    world.kubernetes.read_pipelines = None  # type: ignore[assignment]
    operator.reconcile("tests", "older")
    assert condition(world, "TopicsReady", "older")["status"] == "True"
