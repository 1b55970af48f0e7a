"""What a pass does to a world in which everything works."""

from datetime import date
from typing import Any

import pytest

from holded_operator.exceptions import DatabaseUnavailableError, KafkaUnavailableError, ObjectRejectedError
from holded_operator.gateways.interfaces import LedgerTotals
from holded_operator.reconciler import Verdict
from tests.support.operator_fakes import World, condition, has_finalizer, pipeline


@pytest.fixture
def world() -> World:
    return World()


def converge(world: World, name: str = "demo") -> None:
    operator = world.operator()
    operator.reconcile("tests", name)
    world.kubernetes.make_ready()
    operator.reconcile("tests", name)


def test_one_pass_makes_everything_and_the_next_reports_ready(world: World) -> None:
    world.kubernetes.create(pipeline())
    operator = world.operator()

    assert operator.reconcile("tests", "demo").verdict is Verdict.PROGRESSING
    assert set(world.kafka.topics) == {
        "events.raw",
        "events.silver",
        "events.dead.letter",
        "events.analytics",
        "events.ledger",
    }
    assert set(world.registry.subjects) == {f"{topic}-value" for topic in world.kafka.topics}
    assert world.database.applied == list(world.database.MIGRATIONS)
    workloads = {key for key in world.kubernetes.objects if key[0] in {"Deployment", "StatefulSet"}}
    assert workloads == {("Deployment", "demo-collector"), ("StatefulSet", "demo-worker"), ("StatefulSet", "demo-sink")}
    assert condition(world, "Ready")["status"] == "False"

    world.kubernetes.make_ready()
    assert operator.reconcile("tests", "demo").verdict is Verdict.CONVERGED
    assert condition(world, "Ready")["status"] == "True"
    assert ("Normal", "Ready", "All parts are ready") in world.kubernetes.events


def test_the_finalizer_stands_before_anything_is_made_outside(world: World) -> None:
    world.kubernetes.create(pipeline())
    world.operator().reconcile("tests", "demo")
    assert world.writes.done[0] == "finalizers"
    assert has_finalizer(world)


def test_children_are_applied_from_the_end_of_the_flow(world: World) -> None:
    world.kubernetes.create(pipeline())
    world.operator().reconcile("tests", "demo")
    order = [what for what in world.writes.done if what.startswith(("apply Deployment", "apply StatefulSet"))]
    assert order == ["apply StatefulSet demo-sink", "apply StatefulSet demo-worker", "apply Deployment demo-collector"]


def test_an_unchanged_pipeline_costs_no_write_even_after_a_restart(world: World) -> None:
    world.kubernetes.create(pipeline())
    converge(world)
    world.forget_writes()
    events = list(world.kubernetes.events)
    for _ in range(3):
        world.seconds += 60
        assert world.operator().reconcile("tests", "demo").verdict is Verdict.CONVERGED
    assert world.writes.done == []
    assert world.kubernetes.events == events


def test_a_resource_that_is_gone_ends_the_loop(world: World) -> None:
    assert world.operator().reconcile("tests", "demo").verdict is Verdict.GONE


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"worker": {"dedupWindow": "9000d"}}, "spec.worker.dedupWindow"),
        ({"sink": {"replicas": "many"}}, "spec.sink.replicas"),
        ({"nonsense": 1}, "spec.nonsense"),
    ],
)
def test_a_bad_spec_is_a_condition_that_names_the_field_and_touches_nothing(
    world: World, spec: dict[str, Any], field: str
) -> None:
    world.kubernetes.create(pipeline())
    converge(world)
    before = world.state()
    world.forget_writes()

    world.kubernetes.edit("demo", **spec)
    operator = world.operator()
    assert operator.reconcile("tests", "demo").verdict is Verdict.INVALID
    assert condition(world, "Ready")["reason"] == "InvalidSpec"
    assert field in condition(world, "Ready")["message"]
    assert world.writes.done == ["status"]
    assert world.state()["objects"] == before["objects"]

    assert operator.reconcile("tests", "demo").verdict is Verdict.INVALID
    assert world.writes.done == ["status"]


def test_good_bad_good_ends_where_it_began(world: World) -> None:
    world.kubernetes.create(pipeline(sink={"replicas": 1}))
    converge(world)
    before = world.state()
    world.kubernetes.edit("demo", sink={"replicas": -1})
    world.operator().reconcile("tests", "demo")
    world.kubernetes.edit("demo", sink={"replicas": 1})
    converge(world)
    after = world.state()
    assert after["objects"] == before["objects"]
    assert after["pipelines"]["demo"]["status"]["phase"] == before["pipelines"]["demo"]["status"]["phase"]


def test_suspend_scales_to_zero_and_says_so(world: World) -> None:
    world.kubernetes.create(pipeline(suspend=True))
    converge(world)
    for kind, name in (("Deployment", "demo-collector"), ("StatefulSet", "demo-worker"), ("StatefulSet", "demo-sink")):
        assert world.kubernetes.objects[kind, name]["spec"]["replicas"] == 0
    assert condition(world, "Ready")["reason"] == "Suspended"
    assert world.kubernetes.pipelines["demo"]["status"]["phase"] == "Suspended"
    assert world.operator().reconcile("tests", "demo").verdict is Verdict.CONVERGED


def test_an_object_that_is_rendered_no_more_is_deleted(world: World) -> None:
    world.kubernetes.create(pipeline(collector={"replicas": 3}))
    converge(world)
    assert ("PodDisruptionBudget", "demo-collector") in world.kubernetes.objects
    world.kubernetes.edit("demo", collector={"replicas": 1})
    converge(world)
    assert ("PodDisruptionBudget", "demo-collector") not in world.kubernetes.objects


def test_drift_is_repaired_in_kubernetes_kafka_and_the_registry(world: World) -> None:
    world.kubernetes.create(pipeline())
    converge(world)
    before = world.state()
    world.kubernetes.objects["StatefulSet", "demo-sink"]["spec"]["replicas"] = 7
    del world.kubernetes.objects["ConfigMap", "demo-worker"]
    world.kafka._replace("events.raw", config={"retention.ms": "1", "cleanup.policy": "compact"})
    world.registry.levels["events.raw-value"] = "NONE"
    world.registry.subjects.pop("events.silver-value")
    converge(world)
    assert world.state() == before


def test_topics_grow_silver_before_raw_and_never_shrink(world: World) -> None:
    world.kubernetes.create(pipeline())
    converge(world)
    world.forget_writes()
    world.kubernetes.edit("demo", topics={"raw": {"partitions": 6}, "silver": {"partitions": 6}})
    converge(world)
    grown = [what for what in world.writes.done if what.startswith("grow")]
    assert grown == ["grow topic events.silver", "grow topic events.raw"]

    world.forget_writes()
    world.kubernetes.edit("demo", topics={})
    world.operator().reconcile("tests", "demo")
    assert condition(world, "TopicsReady")["reason"] == "TopicCannotShrink"
    assert "spec.topics.raw.partitions" in condition(world, "TopicsReady")["message"]
    assert world.writes.done == ["status"]


def test_a_topic_of_others_is_only_read(world: World) -> None:
    world.kubernetes.create(pipeline(topics={"raw": {"managed": False, "partitions": 2}}))
    operator = world.operator()
    operator.reconcile("tests", "demo")
    assert condition(world, "TopicsReady")["reason"] == "TopicNotFound"
    assert world.kafka.topics == {}

    world.kafka.create_topic(None, "events.raw", partitions=1, replication_factor=1, config={})  # type: ignore[arg-type]
    operator.reconcile("tests", "demo")
    assert condition(world, "TopicsReady")["reason"] == "TopicTooSmall"

    world.kafka._replace("events.raw", partitions=5)
    operator.reconcile("tests", "demo")
    assert condition(world, "TopicsReady")["reason"] == "SilverNarrowerThanRaw"

    world.kafka._replace("events.raw", partitions=3)
    operator.reconcile("tests", "demo")
    assert condition(world, "TopicsReady")["status"] == "True"
    assert world.kafka.topics["events.raw"].config == {}


def test_lag_and_ledger_stand_in_the_status(world: World) -> None:
    world.kubernetes.create(pipeline())
    world.kafka.ends["events.raw"] = {0: 10, 1: 20, 2: 0}
    world.kafka.committed["tests.demo.worker"] = {0: 10, 1: 5}
    world.database.totals = LedgerTotals(former=0, gold=11, dead_letters=3, duplicates=1)
    converge(world)
    status = world.kubernetes.pipelines["demo"]["status"]
    assert status["lag"] == 15
    ledger = {key: value for key, value in status["ledger"].items() if key != "at"}
    assert ledger == {"accepted": 30, "gold": 11, "deadLetters": 3, "duplicates": 1, "inFlight": 15}


def test_a_raw_topic_that_was_made_again_adds_to_what_was_accepted_before(world: World) -> None:
    world.kubernetes.create(pipeline())
    world.kafka.ends["events.raw"] = {0: 3, 1: 0, 2: 0}
    world.database.totals = LedgerTotals(former=40, gold=38, dead_letters=3, duplicates=1)
    converge(world)
    ledger = world.kubernetes.pipelines["demo"]["status"]["ledger"]
    assert (ledger["accepted"], ledger["inFlight"]) == (43, 1)


def test_unreadable_lag_and_ledger_do_not_flip_ready(world: World) -> None:
    world.kubernetes.create(pipeline())
    world.kafka.offsets_error = KafkaUnavailableError("kafka:9092", "no coordinator")
    world.database.ledger_error = ObjectRejectedError("ledger", "no such view")
    converge(world)
    assert condition(world, "Ready")["status"] == "True"
    assert "lag" not in world.kubernetes.pipelines["demo"]["status"]


@pytest.mark.parametrize(("day", "short"), [(4, True), (5, False), (None, True)])
def test_few_days_of_partitions_ahead_are_told_by_the_sinks_condition_and_heal(
    world: World, day: int | None, short: bool
) -> None:
    world.database.partitioned_until = None if day is None else date(2026, 1, day)
    world.kubernetes.create(pipeline())
    converge(world)
    sink = condition(world, "SinkReady")
    assert (sink["status"], sink["reason"]) == (("False", "PartitionRunwayShort") if short else ("True", "PodsReady"))
    assert condition(world, "DatabaseReady")["status"] == "True", "the sink that is to make them must roll"

    world.database.partitioned_until = date(2026, 1, 9)
    assert world.operator().reconcile("tests", "demo").verdict is Verdict.CONVERGED
    assert condition(world, "Ready")["status"] == "True"


def test_a_runway_that_runs_out_is_an_event_with_the_day(world: World) -> None:
    world.database.partitioned_until = date(2026, 1, 9)
    world.kubernetes.create(pipeline())
    converge(world)
    world.seconds += 6 * 86_400
    world.operator().reconcile("tests", "demo")
    (warning,) = [event for event in world.kubernetes.events if event[:2] == ("Warning", "PartitionRunwayShort")]
    assert "no day partition from 2026-01-09 on; days ahead of 2026-01-07: 1, the sink keeps 7" in warning[2]


def test_partitions_that_cannot_be_read_do_not_flip_ready(world: World) -> None:
    world.database.partitions_error = DatabaseUnavailableError("mysql:3306", "refused")
    world.kubernetes.create(pipeline())
    converge(world)
    assert condition(world, "Ready")["status"] == "True"


def test_the_lag_decides_the_number_of_autoscaled_workers(world: World) -> None:
    autoscaling = {"minReplicas": 1, "maxReplicas": 5, "targetLag": 10}
    world.kubernetes.create(pipeline(worker={"autoscaling": autoscaling}))
    operator = world.operator()
    operator.reconcile("tests", "demo")
    assert world.kubernetes.objects["StatefulSet", "demo-worker"]["spec"]["replicas"] == 1

    world.kafka.ends["events.raw"] = {0: 100, 1: 100, 2: 100}
    operator.reconcile("tests", "demo")
    assert world.kubernetes.objects["StatefulSet", "demo-worker"]["spec"]["replicas"] == 3, "as many as partitions"

    world.kafka.committed["tests.demo.worker"] = {0: 100, 1: 100, 2: 100}
    operator.reconcile("tests", "demo")
    assert world.kubernetes.objects["StatefulSet", "demo-worker"]["spec"]["replicas"] == 3, "not at once"
    world.seconds += 301
    operator.reconcile("tests", "demo")
    assert world.kubernetes.objects["StatefulSet", "demo-worker"]["spec"]["replicas"] == 2


def test_a_changed_secret_rolls_the_pods_that_use_it(world: World) -> None:
    world.kubernetes.create(pipeline())
    converge(world)
    world.forget_writes()
    world.kubernetes.secrets["mysql"] = {"username": b"holded", "password": b"new"}
    world.operator().reconcile("tests", "demo")
    assert [what for what in world.writes.done if what.startswith("apply")] == ["apply StatefulSet demo-sink"]


def test_no_secret_value_leaves_by_status_or_events(world: World) -> None:
    world.kubernetes.create(pipeline())
    converge(world)
    told = str(world.kubernetes.pipelines["demo"]["status"]) + str(world.kubernetes.events)
    assert "correct-horse" not in told
    rendered = str(world.kubernetes.objects)
    assert "correct-horse" not in rendered
