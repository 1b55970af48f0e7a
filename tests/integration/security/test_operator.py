"""What the operator says when a connection's security does not fit: the condition names the field, twice in the same words."""

import copy
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.integration.security.harness import SecuredPipeline, key_pair, mutual, scram
from tests.support.secured import WRONG_HOST, Secured

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

type Change = Callable[[SecuredPipeline], object]
type Conditions = list[dict[str, dict[str, str]]]

PARTS = ("TopicsReady", "SchemasReady", "DatabaseReady")


def kafka(address: str, **security: object) -> Change:
    """Use another listener, and other settings of it."""

    def change(pipeline: SecuredPipeline) -> None:
        servers = getattr(pipeline.secured.kafka, address)
        pipeline.spec["kafka"] = {"bootstrapServers": servers, "security": security}

    return change


def without(security: dict[str, object], *fields: str) -> dict[str, object]:
    return {name: value for name, value in security.items() if name not in fields}


def secret(name: str, **values: str) -> Change:
    return lambda pipeline: pipeline.secrets.update({name: pipeline.secrets[name] | encoded(values)})


def encoded(values: Mapping[str, str]) -> dict[str, bytes]:
    return {key.replace("_", "."): value.encode() for key, value in values.items()}


def foreign_authority(part: str) -> Change:
    """Let one system be checked by an authority that did not sign its certificate."""

    def change(pipeline: SecuredPipeline) -> None:
        pipeline.secrets["foreign"] = {"ca.crt": pipeline.foreign.ca.encode()}
        places = {
            "kafka": pipeline.spec["kafka"]["security"],
            "schemaRegistry": pipeline.spec["schemaRegistry"],
            "mysql": pipeline.spec["mysql"]["tls"],
        }
        places[part]["caSecretRef"] = {"name": "foreign"}

    return change


def without_authority(part: str) -> Change:
    """Let one system be checked by the authorities of the machine, which know nothing of ours."""

    def change(pipeline: SecuredPipeline) -> None:
        places = {"kafka": pipeline.spec["kafka"]["security"], "schemaRegistry": pipeline.spec["schemaRegistry"]}
        del places[part]["caSecretRef"]

    return change


def foreign_client(pipeline: SecuredPipeline) -> None:
    kafka("mutual", **mutual())(pipeline)
    pipeline.secrets["client"] = key_pair(pipeline.foreign.client())


def registry(**fields: object) -> Change:
    return lambda pipeline: pipeline.spec["schemaRegistry"].update(fields)


def registry_by_http(pipeline: SecuredPipeline) -> None:
    url = pipeline.secured.registry_url.replace("https", "http")
    pipeline.spec["schemaRegistry"] = {"url": url, "credentialsSecretRef": {"name": "registry"}}


def registry_at_another_name(pipeline: SecuredPipeline) -> None:
    pipeline.spec["schemaRegistry"]["url"] = pipeline.secured.registry_url.replace("127.0.0.1", WRONG_HOST)


def mysql(**fields: object) -> Change:
    return lambda pipeline: pipeline.spec["mysql"].update(fields)


VERIFY_CA = {"mode": "VerifyCA", "caSecretRef": {"name": "authority"}}

WORKING: dict[str, Change] = {
    "SCRAM over TLS": lambda _: None,
    "PLAIN over TLS": kafka("sasl", **scram("PLAIN")),
    "client certificate": kafka("mutual", **mutual()),
    "MySQL under another name, VerifyCA": mysql(host=WRONG_HOST, tls=VERIFY_CA),
    "MySQL encrypted only": mysql(host=WRONG_HOST, tls={"mode": "Required"}),
}


@dataclass(frozen=True)
class Fault:
    """A change that one condition shall tell of, by a reason and words."""

    change: Change
    part: str
    reason: str
    says: str


def _kafka(change: Change, says: str, reason: str = "KafkaUnavailable") -> Fault:
    return Fault(change, "TopicsReady", reason, says)


def _registry(change: Change, says: str, reason: str = "SchemaRegistryUnavailable") -> Fault:
    return Fault(change, "SchemasReady", reason, says)


def _mysql(change: Change, says: str, reason: str = "DatabaseUnavailable") -> Fault:
    return Fault(change, "DatabaseReady", reason, says)


CA, CREDENTIALS = "spec.kafka.security.caSecretRef must hold", "spec.kafka.security.credentialsSecretRef"
CERTIFICATE, PROTOCOL = "spec.kafka.security.clientCertificateSecretRef", "correct spec.kafka.security.protocol"
REGISTRY, MYSQL = "spec.schemaRegistry", "spec.mysql"

FAULTS: dict[str, Fault] = {
    "Kafka: foreign authority": _kafka(foreign_authority("kafka"), CA),
    "Kafka: the machine's authorities": _kafka(without_authority("kafka"), CA),
    "Kafka: wrong host name": _kafka(
        kafka("misnamed", **without(mutual(), "clientCertificateSecretRef")), "spec.kafka.bootstrapServers"
    ),
    "Kafka: wrong password by SCRAM": _kafka(secret("kafka", password="wrong"), CREDENTIALS, "KafkaRefused"),
    "Kafka: unknown user by PLAIN": _kafka(
        lambda pipeline: (
            kafka("sasl", **scram("PLAIN"))(pipeline),
            secret("kafka", username="nobody")(pipeline),
        ),
        CREDENTIALS,
        "KafkaRefused",
    ),
    "Kafka: mechanism it has not": _kafka(
        kafka("sasl", **scram("SCRAM-SHA-256")), "spec.kafka.security.saslMechanism must", "KafkaRefused"
    ),
    "Kafka: no client certificate": _kafka(
        kafka("mutual", **without(mutual(), "clientCertificateSecretRef")), CERTIFICATE
    ),
    "Kafka: client certificate of others": _kafka(foreign_client, CERTIFICATE),
    "Kafka: plain text to mutual TLS": _kafka(kafka("mutual", protocol="PLAINTEXT"), PROTOCOL),
    "Kafka: plain text to SASL_SSL": _kafka(kafka("sasl", protocol="PLAINTEXT"), PROTOCOL),
    "Kafka: TLS without SASL to SASL_SSL": _kafka(
        kafka("sasl", **without(mutual(), "clientCertificateSecretRef")), PROTOCOL
    ),
    "Kafka: SASL where none is asked for": _kafka(
        lambda pipeline: (kafka("mutual", **scram(), clientCertificateSecretRef={"name": "client"})(pipeline),),
        PROTOCOL,
        "KafkaRefused",
    ),
    "Kafka: TLS to a plain listener": _kafka(
        kafka("open", **scram()), "the listener speaks no TLS: correct spec.kafka.security.protocol"
    ),
    "registry: foreign authority": _registry(foreign_authority("schemaRegistry"), f"{REGISTRY}.caSecretRef must hold"),
    "registry: the machine's authorities": _registry(
        without_authority("schemaRegistry"), f"{REGISTRY}.caSecretRef must hold"
    ),
    "registry: wrong host name": _registry(registry_at_another_name, f"{REGISTRY}.url must give a host"),
    "registry: wrong password": _registry(
        secret("registry", password="wrong"), f"{REGISTRY}.credentialsSecretRef", "SchemaRegistryRefused"
    ),
    "registry: no password": _registry(
        registry(credentialsSecretRef=None), f"{REGISTRY}.credentialsSecretRef", "SchemaRegistryRefused"
    ),
    "registry: plain text to TLS": _registry(registry_by_http, f"{REGISTRY}.url must begin with https://"),
    "MySQL: foreign authority": _mysql(foreign_authority("mysql"), f"{MYSQL}.tls.caSecretRef must hold"),
    "MySQL: wrong host name": _mysql(mysql(host=WRONG_HOST), f"{MYSQL}.host must stand in the server's certificate"),
    "MySQL: wrong password": _mysql(
        secret("mysql", password="wrong"), f"{MYSQL}.credentialsSecretRef", "DatabaseAccessDenied"
    ),
    "MySQL: plain text to TLS": _mysql(
        mysql(tls={"mode": "Disabled"}), f"{MYSQL}.tls.mode must not be Disabled", "DatabaseError"
    ),
}


@pytest.fixture(scope="module")
def outcomes(secured: Secured) -> Iterator[dict[str, Conditions]]:
    """Conditions after each of two passes, for every case; all at once, since most of a fault is waiting.

    They have topics, subjects and tables in common, which are made before: it is about the way there.
    """
    database = f"secured_{secrets.token_hex(4)}"
    maker = SecuredPipeline(secured, database)
    maker.reconcile()
    maker.close()
    made = {name: SecuredPipeline(secured, database, kafka_timeout=8.0) for name in (*WORKING, *FAULTS)}
    changes = WORKING | {name: fault.change for name, fault in FAULTS.items()}

    def twice(name: str) -> Conditions:
        pipeline = made[name]
        changes[name](pipeline)
        found: Conditions = []
        for _ in range(2):
            pipeline.reconcile()
            found.append({part: copy.deepcopy(pipeline.condition(part)) for part in PARTS})
        return found

    with ThreadPoolExecutor(10) as pool:
        yield dict(zip(made, pool.map(twice, made), strict=True))
    for pipeline in made.values():
        pipeline.close()


@pytest.mark.parametrize("name", WORKING)
def test_every_way_of_access_works(name: str, outcomes: dict[str, Conditions]) -> None:
    for conditions in outcomes[name]:
        assert {part: conditions[part]["message"] for part in PARTS if conditions[part]["status"] != "True"} == {}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_condition_that_names_the_field(name: str, outcomes: dict[str, Conditions]) -> None:
    fault, (first, second) = FAULTS[name], outcomes[name]
    told = first[fault.part]
    assert (told["status"], told["reason"]) == ("False", fault.reason), told
    assert fault.says in told["message"]
    assert second[fault.part]["message"] == told["message"], "the same fault must not write the status anew"
    others = [part for part in PARTS if part != fault.part]
    assert {part: first[part]["message"] for part in others if first[part]["status"] != "True"} == {}
