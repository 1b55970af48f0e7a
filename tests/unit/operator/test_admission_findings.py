"""What the admission webhook finds: what a pass would say, before there is anything to pass over, and without writing."""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from holded_operator.admission.findings import Examiner, Findings
from holded_operator.exceptions import DatabaseUnavailableError, KafkaUnavailableError, RegistryUnavailableError
from holded_operator.gateways.interfaces import Body, KafkaAccess, TopicState
from tests.support.operator_fakes import World, pipeline
from tests.unit.operator.samples import merged

SECONDS = 10.0


def new(**spec: Any) -> Body:
    body = pipeline(**spec)
    return body | {"metadata": body["metadata"] | {"uid": "", "creationTimestamp": "2026-06-01T00:00:00Z"}}


def topic(name: str, partitions: int, replicas: int = 1) -> TopicState:
    return TopicState(name, f"id-{name}", partitions, replicas, config={}, overrides=frozenset())


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def examine(world: World) -> Iterator[Callable[..., Findings]]:
    examiner = Examiner(world.context())
    yield lambda body, seconds=SECONDS: examiner.examine(body, until=world.seconds + seconds)
    examiner.close()


def shrink(world: World) -> dict[str, Any]:
    world.kafka.topics["events.raw"] = topic("events.raw", 12)
    return {"topics": {"raw": {"partitions": 4}, "silver": {"partitions": 12}}}


def other_replication(world: World) -> dict[str, Any]:
    world.kafka.topics["events.raw"] = topic("events.raw", 3, replicas=1)
    return {"topics": {"raw": {"partitions": 3, "replicationFactor": 3}}}


def foreign_topic_too_small(world: World) -> dict[str, Any]:
    world.kafka.topics["events.silver"] = topic("events.silver", 2)
    return {"topics": {"raw": {"partitions": 2}, "silver": {"partitions": 4, "managed": False}}}


def silver_narrower(world: World) -> dict[str, Any]:
    world.kafka.topics["events.raw"] = topic("events.raw", 8)
    return {"topics": {"raw": {"partitions": 4, "managed": False}, "silver": {"partitions": 4}}}


def incompatible(world: World) -> dict[str, Any]:
    world.registry.levels["events.raw-value"] = "BACKWARD"
    world.registry.incompatible["events.raw-value"] = ["a required field was added"]
    return {}


def no_secret(world: World) -> dict[str, Any]:
    return {"mysql": {"host": "mysql", "credentialsSecretRef": {"name": "nobody"}}}


def no_key(world: World) -> dict[str, Any]:
    world.kubernetes.secrets["half"] = {"username": b"holded"}
    return {"mysql": {"host": "mysql", "credentialsSecretRef": {"name": "half"}}}


def no_sasl_secret(world: World) -> dict[str, Any]:
    security = {
        "protocol": "SASL_PLAINTEXT",
        "saslMechanism": "SCRAM-SHA-512",
        "credentialsSecretRef": {"name": "no-sasl"},
    }
    return {"kafka": {"bootstrapServers": "kafka:9092", "security": security}}


def no_keys_of_senders(world: World) -> dict[str, Any]:
    return {"collector": {"authentication": {"mode": "ApiKey", "secretRef": {"name": "no-keys"}}}}


def claimed(world: World) -> dict[str, Any]:
    older = pipeline("older")
    older["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    world.kubernetes.create(older)
    return {}


def contradictory(world: World) -> dict[str, Any]:
    return {"worker": {"dedupWindow": "9000d"}}


CASES: list[tuple[Callable[[World], dict[str, Any]], str, str, str]] = [
    (shrink, "spec.topics.raw.partitions", "set it to 12 or more", "TopicsReady"),
    (other_replication, "spec.topics.raw.replicationFactor", "set the number it has", "TopicsReady"),
    (foreign_topic_too_small, "spec.topics.silver.partitions", "grow it", "TopicsReady"),
    (silver_narrower, "spec.topics.silver.partitions", "set it to 8 or more", "TopicsReady"),
    (claimed, "spec.topics.raw.name", "give each pipeline topics of its own", "TopicsReady"),
    (incompatible, "spec.schemas.compatibility", "or name another topic", "SchemasReady"),
    (no_secret, "spec.mysql.credentialsSecretRef", "create it there", "DatabaseReady"),
    (no_key, "spec.mysql.credentialsSecretRef", "add the key", "DatabaseReady"),
    (no_sasl_secret, "spec.kafka.security.credentialsSecretRef", "create it there", "TopicsReady"),
    (no_keys_of_senders, "spec.collector.authentication.secretRef", "create it there", "CollectorReady"),
    (contradictory, "spec.worker.dedupWindow", "must be at most topics.silver.retention", "Ready"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
def test_what_is_refused_names_field_and_fix_and_is_what_a_pass_would_say(
    world: World, examine: Callable[..., Findings], case: tuple[Any, str, str, str]
) -> None:
    arrange, field, fix, part = case
    body = new(**arrange(world))
    found = examine(body)
    assert not found.warnings
    (refusal,) = found.refusals
    assert field in refusal
    assert fix in refusal
    assert not world.writes.tried, "an examination writes nothing"
    world.kubernetes.create(body)
    world.operator().reconcile("tests", "demo")
    conditions = world.kubernetes.pipelines["demo"]["status"]["conditions"]
    message = next(entry["message"] for entry in conditions if entry["type"] == part)
    assert message in refusal


def test_what_fits_is_neither_refused_nor_warned_about(world: World, examine: Callable[..., Findings]) -> None:
    assert examine(new()) == Findings()
    assert not world.writes.tried


def test_all_that_is_wrong_is_told_at_once(world: World, examine: Callable[..., Findings]) -> None:
    spec: dict[str, Any] = {}
    for arrange in (shrink, no_secret, incompatible, claimed):
        spec = merged(spec, arrange(world))
    assert len(examine(new(**spec)).refusals) == 4


def test_a_secret_that_two_systems_miss_is_told_once_a_field(world: World, examine: Callable[..., Findings]) -> None:
    spec = merged(no_sasl_secret(world), no_secret(world))
    assert [text.partition(":")[0] for text in examine(new(**spec)).refusals] == [
        "spec.kafka.security.credentialsSecretRef",
        "spec.mysql.credentialsSecretRef",
    ]


@pytest.mark.parametrize(
    ("system", "error", "field"),
    [
        ("kafka", KafkaUnavailableError("kafka:9092", "refused"), "spec.topics"),
        ("registry", RegistryUnavailableError("http://registry", "refused"), "spec.schemas"),
    ],
)
def test_a_system_that_is_away_is_a_warning_and_hides_nothing_else(
    world: World, examine: Callable[..., Findings], system: str, error: Any, field: str
) -> None:
    getattr(world, system).error = error
    found = examine(new(**no_secret(world)))
    assert [text.partition(":")[0] for text in found.warnings] == [field]
    assert "cannot be reached" in found.warnings[0]
    assert len(found.refusals) == 1


def test_the_database_is_never_asked(world: World, examine: Callable[..., Findings]) -> None:
    world.database.error = DatabaseUnavailableError("mysql:3306", "refused")
    assert examine(new()) == Findings()


def test_secrets_that_may_not_be_read_are_a_warning(world: World, examine: Callable[..., Findings]) -> None:
    world.kubernetes.readable_secrets = False
    found = examine(new())
    assert not found.refusals
    assert "forbidden" in found.warnings[0]


def test_a_foreign_topic_that_does_not_exist_yet_is_a_warning(world: World, examine: Callable[..., Findings]) -> None:
    found = examine(new(topics={"deadLetter": {"managed": False}}))
    assert not found.refusals
    assert "spec.topics.deadLetter: topic 'events.dead.letter' does not exist" in found.warnings[0]


def test_another_compatibility_level_is_for_the_pass_to_judge(world: World, examine: Callable[..., Findings]) -> None:
    incompatible(world)
    assert examine(new(schemas={"compatibility": "NONE"})) == Findings()


def test_a_schema_that_stands_already_is_not_judged_again(world: World, examine: Callable[..., Findings]) -> None:
    body = new()
    world.kubernetes.create(body)
    world.operator().reconcile("tests", "demo")
    del world.kubernetes.pipelines["demo"]
    incompatible(world)
    assert examine(body) == Findings()


def test_a_slow_system_costs_only_what_it_could_have_told(
    world: World, examine: Callable[..., Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(access: KafkaAccess, names: Collection[str]) -> dict[str, TopicState]:
        release.wait(30)
        return {}

    monkeypatch.setattr(world.kafka, "describe_topics", hang)
    started = time.monotonic()
    found = examine(new(**no_secret(world)), seconds=0.5)
    release.set()
    assert time.monotonic() - started < 5
    assert found.warnings == ("spec.topics: not checked, no answer in time",)
    assert len(found.refusals) == 1


def test_a_fault_of_our_own_is_a_warning(
    world: World, examine: Callable[..., Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.kafka, "describe_topics", lambda *_: 1 / 0)
    found = examine(new())
    assert not found.refusals
    assert "a fault of the operator itself" in found.warnings[0]
