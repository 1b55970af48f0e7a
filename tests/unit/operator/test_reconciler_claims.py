"""Several pipelines in one world: whose topic it is, and what a deletion leaves to the others (O13)."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired.topics import topic_specs
from holded_operator.gateways.interfaces import Body
from holded_operator.reconciler import Reconciler, Verdict
from holded_operator.steps import claims
from tests.support.operator_fakes import World, condition, pipeline
from tests.support.waiting import wait_until

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


def test_one_kafka_under_two_addresses_is_one_kafka() -> None:
    world, operator = world_of(
        born("older", "2026-01-01T00:00:00Z"),
        born("newer", "2026-01-02T00:00:00Z", kafka={"bootstrapServers": "10.0.0.7:9092"}),
    )
    world.kafka.addresses["10.0.0.7:9092"] = pipeline()["spec"]["kafka"]["bootstrapServers"]
    operator.reconcile("tests", "older")
    world.forget_writes()
    operator.reconcile("tests", "newer")
    assert condition(world, "TopicsReady", "newer")["reason"] == "TopicClaimed"
    assert not [write for write in world.writes.done if "topic" in write]


def test_a_deletion_spares_topics_that_another_uses_under_another_address() -> None:
    world, operator = world_of(born("older", "2026-01-01T00:00:00Z", deletionPolicy={"topics": "Delete"}))
    operator.reconcile("tests", "older")
    topics = dict(world.kafka.topics)
    world.kafka.addresses["10.0.0.7:9092"] = pipeline()["spec"]["kafka"]["bootstrapServers"]
    world.kubernetes.create(born("newer", "2026-01-02T00:00:00Z", kafka={"bootstrapServers": "10.0.0.7:9092"}))
    world.kubernetes.pipelines["newer"]["status"] = {"topics": world.kubernetes.pipelines["older"]["status"]["topics"]}
    delete(world, operator, "older")
    assert world.kafka.topics == topics


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


def settle(world: World, operator: Reconciler, *names: str) -> None:
    for _ in range(3):
        for name in names:
            operator.reconcile("tests", name)
        world.kubernetes.make_ready()


def test_an_older_pipeline_that_moves_in_is_noticed_by_the_newer_without_an_edit_of_it() -> None:
    elsewhere = {"kafka": {"bootstrapServers": "another:9092"}, "schemaRegistry": {"url": "http://another"}}
    world, operator = world_of(
        born("older", "2026-01-01T00:00:00Z", **elsewhere), born("newer", "2026-01-02T00:00:00Z")
    )
    settle(world, operator, "older", "newer")
    world.kubernetes.edit("older", kafka={"bootstrapServers": "kafka:9092"})
    operator.reconcile("tests", "older")
    world.seconds += 30
    operator.resync("tests", "newer")
    assert condition(world, "TopicsReady", "older")["status"] == "True"
    assert condition(world, "TopicsReady", "newer")["reason"] == "TopicClaimed"
    world.kubernetes.edit("older", kafka={"bootstrapServers": "another:9092"})
    operator.reconcile("tests", "older")
    operator.reconcile("tests", "newer")
    assert condition(world, "TopicsReady", "newer")["status"] == "True"


def test_each_spec_is_read_once_for_the_claims_however_many_pipelines_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count, reads = 20, []
    claim = claims._claim

    def counted(body: Body) -> Any:
        reads.append(body["metadata"]["name"])
        return claim(body)

    monkeypatch.setattr(claims, "_claim", counted)
    names = [f"p{number}" for number in range(count)]
    world, operator = world_of(*(born(name, "2026-01-01T00:00:00Z", topics=own_topics(name)) for name in names))
    settle(world, operator, *names)
    assert sorted(reads) == sorted(names)


def test_passes_that_ask_at_the_same_time_share_a_list_that_was_begun_after_they_asked() -> None:
    begun, go = threading.Event(), threading.Event()
    lists: list[int] = []

    def read() -> list[Body]:
        lists.append(len(lists))
        begun.set()
        assert go.wait(10)
        return []

    index = claims.Claims(read)
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(index.refresh)
        assert begun.wait(10)
        rest = [threads.submit(index.refresh) for _ in range(8)]
        wait_until(lambda: all(future.running() for future in rest), what="all have asked")
        time.sleep(0.05)
        go.set()
        for future in (first, *rest):
            future.result(10)
    assert len(lists) == 2, "the first had begun before the others asked"


def test_a_list_that_is_older_than_what_a_pass_has_read_does_not_undo_it() -> None:
    older, newer = born("older", "2026-01-01T00:00:00Z"), born("newer", "2026-01-02T00:00:00Z")
    for uid, body in enumerate((older, newer)):
        body["metadata"] |= {"uid": str(uid), "generation": 1}
    moved = older | {
        "metadata": older["metadata"] | {"generation": 2},
        "spec": older["spec"] | {"topics": own_topics("a")},
    }
    index = claims.Claims(lambda: [older, newer])
    index.learn(moved)
    index.refresh()
    asking = HoldedPipeline.from_body(newer)
    index.check(asking, newer, topic_specs(asking))
