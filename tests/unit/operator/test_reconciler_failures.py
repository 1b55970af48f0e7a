"""What a pass does when something outside fails: a condition with the cause, running pods untouched, and it heals."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from holded_operator.exceptions import (
    DatabaseAccessError,
    DatabaseUnavailableError,
    KafkaRefusedError,
    KafkaUnavailableError,
    KubernetesUnavailableError,
    MigrationError,
    ObjectRejectedError,
    RegistryUnavailableError,
)
from holded_operator.reconciler import Verdict
from tests.support.operator_fakes import World, condition, pipeline


@dataclass(frozen=True)
class Fault:
    name: str
    condition: str
    reason: str
    says: str
    breaks: Callable[[World], None]
    mends: Callable[[World], None]

    def __str__(self) -> str:
        return self.name


def _fail(system: str, error: Exception) -> tuple[Callable[[World], None], Callable[[World], None]]:
    def breaks(world: World) -> None:
        getattr(world, system).error = error

    def mends(world: World) -> None:
        getattr(world, system).error = None

    return breaks, mends


def _secret(**values: bytes) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.kubernetes.secrets.pop("mysql", None)
        if values:
            world.kubernetes.secrets["mysql"] = values

    return change


GOOD_SECRET = _secret(username=b"holded", password=b"correct-horse")

FAULTS = [
    Fault("kafka away", "TopicsReady", "KafkaUnavailable", "kafka:9092 cannot be reached: refused",
          *_fail("kafka", KafkaUnavailableError("kafka:9092", "refused"))),
    Fault("kafka refuses", "TopicsReady", "KafkaRefused", "authentication failed",
          *_fail("kafka", KafkaRefusedError("describe topics", "authentication failed"))),
    Fault("registry away", "SchemasReady", "SchemaRegistryUnavailable", "http://registry cannot be reached: HTTP 503",
          *_fail("registry", RegistryUnavailableError("http://registry", "HTTP 503"))),
    Fault("mysql away", "DatabaseReady", "DatabaseUnavailable", "mysql:3306 cannot be reached: refused",
          *_fail("database", DatabaseUnavailableError("mysql:3306", "refused"))),
    Fault("mysql denies", "DatabaseReady", "DatabaseAccessDenied", "GRANT ALL",
          *_fail("database", DatabaseAccessError("mysql:3306", "denied", "GRANT ALL"))),
    Fault("migration fails", "DatabaseReady", "MigrationFailed", "0002",
          *_fail("database", MigrationError("0002", "table exists"))),
    Fault("secret missing", "DatabaseReady", "SecretNotFound", "spec.mysql.credentialsSecretRef", _secret(), GOOD_SECRET),
    Fault("secret key missing", "DatabaseReady", "SecretKeyNotFound", "no key 'password'",
          _secret(username=b"holded"), GOOD_SECRET),
]  # fmt: skip


@pytest.fixture
def world() -> World:
    return World()


def run_up(world: World) -> None:
    world.kubernetes.create(pipeline())
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.make_ready()
    operator.reconcile("tests", "demo")


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_a_condition_and_running_workloads_stay_untouched(world: World, fault: Fault) -> None:
    run_up(world)
    before = world.state()
    world.forget_writes()
    fault.breaks(world)
    world.kubernetes.edit("demo", sink={"replicas": 3}, worker={"replicas": 2})
    operator = world.operator()

    assert operator.reconcile("tests", "demo").verdict is Verdict.FAILING
    assert condition(world, fault.condition)["status"] == "False"
    assert condition(world, fault.condition)["reason"] == fault.reason
    assert fault.says in condition(world, fault.condition)["message"]
    assert condition(world, "Ready")["reason"] == fault.reason
    assert world.state()["objects"] == before["objects"]
    assert condition(world, "SinkReady")["status"] == "True", "its pods still are ready"
    assert ("Warning", fault.reason) in {event[:2] for event in world.kubernetes.events}

    told, written = len(world.kubernetes.events), len(world.writes.done)
    operator.reconcile("tests", "demo")
    assert len(world.kubernetes.events) == told, "the same fault is told once"
    assert len(world.writes.done) == written, "and written once"

    fault.mends(world)
    operator.reconcile("tests", "demo")
    world.kubernetes.make_ready()
    assert operator.reconcile("tests", "demo").verdict is Verdict.CONVERGED
    assert condition(world, "Ready")["status"] == "True"
    assert world.kubernetes.objects["StatefulSet", "demo-sink"]["spec"]["replicas"] == 3


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_from_the_start_makes_no_workload_and_heals(world: World, fault: Fault) -> None:
    fault.breaks(world)
    world.kubernetes.create(pipeline())
    operator = world.operator()
    operator.reconcile("tests", "demo")
    assert world.kubernetes.objects == {}
    assert condition(world, "WorkerReady")["reason"] == "WaitingForPrerequisites"
    fault.mends(world)
    operator.reconcile("tests", "demo")
    world.kubernetes.make_ready()
    assert operator.reconcile("tests", "demo").verdict is Verdict.CONVERGED


@pytest.mark.parametrize("messages", [[], ["reader field b has no default"]], ids=["silent registry", "with messages"])
def test_an_incompatible_schema_names_the_subject_and_changes_nothing_else(world: World, messages: list[str]) -> None:
    run_up(world)
    world.registry.subjects["events.silver-value"] = ["an older schema"]
    world.registry.incompatible["events.silver-value"] = messages
    world.database.applied = ["0001.first"]
    world.kubernetes.edit("demo", sink={"replicas": 3})
    world.forget_writes()

    world.operator().reconcile("tests", "demo")
    told = condition(world, "SchemasReady")
    assert told["reason"] == "SchemaIncompatible"
    assert "events.silver-value" in told["message"]
    assert (messages or [world.registry.refusal])[0] in told["message"]
    assert world.writes.done == ["status"], "no schema, no migration, no roll-out"


def test_an_object_that_is_refused_fails_its_own_part_only(world: World) -> None:
    world.kubernetes.refusals["Deployment"] = ObjectRejectedError("Deployment demo-collector", "quota exceeded")
    world.kubernetes.create(pipeline())
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.make_ready()
    assert operator.reconcile("tests", "demo").verdict is Verdict.FAILING
    assert condition(world, "CollectorReady")["reason"] == "ObjectRejected"
    assert "quota exceeded" in condition(world, "CollectorReady")["message"]
    assert condition(world, "SinkReady")["status"] == "True"
    assert condition(world, "WorkerReady")["status"] == "True"


def test_an_object_of_somebody_else_is_left_alone(world: World) -> None:
    foreign = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "data": {"mine": "1"},
        "metadata": {"name": "demo-sink", "uid": "x"},
    }
    world.kubernetes.objects["ConfigMap", "demo-sink"] = foreign
    world.kubernetes.create(pipeline())
    world.operator().reconcile("tests", "demo")
    assert condition(world, "SinkReady")["reason"] == "ObjectConflict"
    assert world.kubernetes.objects["ConfigMap", "demo-sink"]["data"] == {"mine": "1"}


def test_a_missing_api_keys_secret_names_its_field(world: World) -> None:
    authentication = {"mode": "ApiKey", "secretRef": {"name": "keys"}}
    world.kubernetes.create(pipeline(collector={"authentication": authentication}))
    world.operator().reconcile("tests", "demo")
    assert condition(world, "CollectorReady")["reason"] == "SecretNotFound"
    assert "spec.collector.authentication.secretRef" in condition(world, "CollectorReady")["message"]
    assert ("Deployment", "demo-collector") not in world.kubernetes.objects


def test_pods_that_cannot_start_say_why(world: World) -> None:
    run_up(world)
    sink = world.kubernetes.objects["StatefulSet", "demo-sink"]
    sink["status"]["readyReplicas"] = 0
    labels = {"app.kubernetes.io/component": "sink"}
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off 5s"}}, "image": "s:1"}
    world.kubernetes.pods = [
        {"metadata": {"name": "demo-sink-0", "labels": labels}, "status": {"containerStatuses": [waiting]}}
    ]
    world.operator().reconcile("tests", "demo")
    told = condition(world, "SinkReady")
    assert told["reason"] == "PodsFailing"
    assert "pod demo-sink-0: image s:1 cannot be pulled" in told["message"]


def test_pods_that_lose_readiness_are_a_warning_and_pods_that_start_are_none(world: World) -> None:
    world.kubernetes.create(pipeline())
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.make_ready()
    status = world.kubernetes.objects["StatefulSet", "demo-sink"]["status"]
    status["readyReplicas"] = 0
    operator.reconcile("tests", "demo")
    assert condition(world, "SinkReady")["reason"] == "PodsNotReady"
    assert not [event for event in world.kubernetes.events if event[0] == "Warning"]

    status["readyReplicas"] = 1
    operator.reconcile("tests", "demo")
    status["readyReplicas"] = 0
    operator.reconcile("tests", "demo")
    assert [event[1] for event in world.kubernetes.events if event[0] == "Warning"] == ["PodsNotReady"]


def test_without_the_api_server_a_pass_fails_as_a_whole(world: World) -> None:
    world.kubernetes.create(pipeline())
    world.kubernetes.error = KubernetesUnavailableError("https://api", "reset")
    with pytest.raises(KubernetesUnavailableError):
        world.operator().reconcile("tests", "demo")
    assert world.writes.done == []


def test_monitoring_that_the_cluster_does_not_know_is_an_event_not_a_fault(world: World) -> None:
    world.kubernetes.refusals["PodMonitor"] = ObjectRejectedError("PodMonitor demo", "not served here")
    world.kubernetes.create(pipeline(monitoring={"podMonitor": True}))
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.make_ready()
    operator.reconcile("tests", "demo")
    assert condition(world, "Ready")["status"] == "True"
    assert ("Warning", "ObjectRejected", "PodMonitor demo was refused: not served here") in world.kubernetes.events
