"""A resync ends in the same state as a whole pass, and costs no request about a pipeline that nobody touched."""

from dataclasses import replace
from datetime import date

import pytest

from holded_operator.exceptions import KafkaUnavailableError, KubernetesUnavailableError
from holded_operator.gateways.interfaces import LedgerTotals
from holded_operator.reconciler import Reconciler, Verdict
from tests.support.operator_fakes import World, condition, pipeline

KEY = ("tests", "demo")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def operator(world: World) -> Reconciler:
    world.kubernetes.create(pipeline())
    return world.converged()


def resync(world: World, operator: Reconciler) -> Verdict:
    """Let the resync period go by."""
    world.seconds += 30
    return operator.resync(*KEY).verdict


def test_an_untouched_pipeline_costs_no_request_of_its_own_and_no_write(
    world: World, operator: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("get_pipeline", "list_children", "list_pods", "get", "apply"):
        monkeypatch.delattr(type(world.kubernetes), name)
    for _ in range(5):
        assert resync(world, operator) is Verdict.CONVERGED
    assert world.writes.done == []


def test_a_resync_tells_of_a_runway_that_runs_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.database.partitioned_until = date(2026, 1, 9)
    world.kubernetes.create(pipeline())
    operator = world.converged()
    monkeypatch.delattr(type(world.kubernetes), "list_children")  # of a whole pass
    world.seconds += 6 * 86_400
    assert resync(world, operator) is Verdict.PROGRESSING
    assert condition(world, "SinkReady")["reason"] == "PartitionRunwayShort"


def test_the_versions_are_read_once_for_all_pipelines(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"demo-{number}" for number in range(10)]
    for name in names:
        topics = {
            part: {"name": f"{name}.{part.lower()}"} for part in ("raw", "silver", "deadLetter", "analytics", "ledger")
        }
        world.kubernetes.create(
            pipeline(name, topics=topics, mysql={"host": name, "credentialsSecretRef": {"name": "mysql"}})
        )
    operator = world.operator()
    for _ in range(4):
        for name in names:
            operator.reconcile("tests", name)
        world.kubernetes.make_ready()
    asked: list[object] = []
    versions = world.kubernetes.versions

    def counted(namespaces: tuple[str, ...]) -> object:
        asked.append(namespaces)
        return versions(namespaces)

    monkeypatch.setattr(world.kubernetes, "versions", counted)
    world.seconds += 30
    for name in names:
        assert operator.resync("tests", name).verdict is Verdict.CONVERGED
    assert len(asked) == 1


@pytest.mark.parametrize("kind", ["ConfigMap", "NetworkPolicy", "StatefulSet"])
def test_an_owned_object_that_was_edited_or_deleted_unheard_is_restored(
    world: World, operator: Reconciler, kind: str
) -> None:
    before = world.state()
    key = next(key for key in world.kubernetes.objects if key[0] == kind)
    world.kubernetes.objects[key]["metadata"]["labels"]["app.kubernetes.io/part-of"] = "elsewhere"
    resync(world, operator)
    assert world.state()["objects"] == before["objects"]
    del world.kubernetes.objects[key]
    resync(world, operator)
    world.kubernetes.make_ready()
    assert world.state()["objects"] == before["objects"]


def test_an_edit_that_no_event_told_of_is_carried_out(world: World, operator: Reconciler) -> None:
    world.kubernetes.edit("demo", collector={"replicas": 3})
    world.kubernetes.pipelines["demo"]["metadata"]["resourceVersion"] = "1000"
    resync(world, operator)
    assert world.kubernetes.objects["Deployment", "demo-collector"]["spec"]["replicas"] == 3


def test_an_edit_between_reading_and_writing_the_status_is_not_taken_for_known(world: World) -> None:
    world.kubernetes.create(pipeline())
    operator = world.converged()
    world.database.totals = LedgerTotals(former=0, gold=0, dead_letters=0, duplicates=0)
    write = world.kubernetes.write_status

    def edited_meanwhile(*arguments: object) -> object:
        world.kubernetes.edit("demo", collector={"replicas": 3})
        return write(*arguments)  # type: ignore[arg-type]

    world.kafka.ends["events.raw"] = {0: 5, 1: 0, 2: 0}
    world.kubernetes.write_status = edited_meanwhile  # type: ignore[method-assign, assignment]
    resync(world, operator)
    world.kubernetes.write_status = write  # type: ignore[method-assign]
    resync(world, operator)
    assert world.kubernetes.objects["Deployment", "demo-collector"]["spec"]["replicas"] == 3


def test_a_changed_secret_rolls_the_pods(world: World, operator: Reconciler) -> None:
    def annotations() -> object:
        return world.kubernetes.objects["StatefulSet", "demo-sink"]["spec"]["template"]["metadata"]["annotations"]

    before = annotations()
    world.kubernetes.secrets["mysql"] = {"username": b"holded", "password": b"another"}
    resync(world, operator)
    assert annotations() != before


def test_topics_and_subjects_that_were_changed_outside_are_restored(world: World, operator: Reconciler) -> None:
    before = world.state()
    raw = world.kafka.topics["events.raw"]
    world.kafka.topics["events.raw"] = replace(raw, config=dict(raw.config) | {"retention.ms": "1"})
    world.registry.levels["events.silver-value"] = "NONE"
    resync(world, operator)
    assert world.state() == before


def test_lag_and_ledger_are_refreshed(world: World, operator: Reconciler) -> None:
    for end in (10, 20):
        world.kafka.ends["events.raw"] = {0: end, 1: 0, 2: 0}
        assert resync(world, operator) is Verdict.CONVERGED
        assert world.kubernetes.pipelines["demo"]["status"]["lag"] == end
    assert set(world.writes.done) == {"status"}


@pytest.mark.parametrize(("on_their_way", "writes"), [(1, 0), (2, 1)])
def test_a_canary_of_each_collector_pod_on_its_way_is_no_news(
    world: World, operator: Reconciler, on_their_way: int, writes: int
) -> None:
    world.kafka.ends["events.raw"] = {0: on_their_way, 1: 0, 2: 0}
    assert resync(world, operator) is Verdict.CONVERGED
    assert world.writes.done.count("status") == writes, world.writes.done


def test_one_event_more_in_gold_is_told(world: World, operator: Reconciler) -> None:
    world.kafka.ends["events.raw"] = {0: 1, 1: 0, 2: 0}
    world.kafka.committed["tests.demo.worker"] = {0: 1}
    world.database.totals = LedgerTotals(former=0, gold=1, dead_letters=0, duplicates=0)
    assert resync(world, operator) is Verdict.CONVERGED
    assert world.kubernetes.pipelines["demo"]["status"]["ledger"]["gold"] == 1


def test_kafka_away_is_a_condition_and_heals(world: World, operator: Reconciler) -> None:
    before = world.state()
    world.kafka.error = KafkaUnavailableError("kafka:9092", "away")
    assert resync(world, operator) is Verdict.FAILING
    assert condition(world, "TopicsReady")["reason"] == "KafkaUnavailable"
    assert "waiting for TopicsReady" in condition(world, "SinkReady")["message"], "as a whole pass tells it"
    world.kafka.error = None
    resync(world, operator)
    assert world.state() == before


def test_versions_that_cannot_be_read_fail_the_resync(world: World, operator: Reconciler) -> None:
    world.kubernetes.error = KubernetesUnavailableError("api", "away")
    with pytest.raises(KubernetesUnavailableError):
        resync(world, operator)
    world.kubernetes.error = None
    assert resync(world, operator) is Verdict.CONVERGED


def test_a_namesake_of_a_deleted_pipeline_gets_a_whole_pass(world: World, operator: Reconciler) -> None:
    uid = world.kubernetes.pipelines["demo"]["metadata"]["uid"]
    world.kubernetes._collect("demo")
    world.kubernetes.create(pipeline())
    assert world.kubernetes.pipelines["demo"]["metadata"]["uid"] != uid
    resync(world, operator)
    assert world.kubernetes.objects


def test_a_look_that_sees_the_same_builds_no_status_anew(
    world: World, operator: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holded_operator.reconciler.build_status", None)
    assert resync(world, operator) is Verdict.CONVERGED
    world.kafka.ends["events.raw"] = {0: 5, 1: 0, 2: 0}
    with pytest.raises(TypeError):
        resync(world, operator)
