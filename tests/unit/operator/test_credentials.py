"""What the operator takes from Secrets, and what it says of one that cannot be meant."""

from collections.abc import Callable
from typing import Any

import pytest
import trustme

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.exceptions import SecretInvalidError
from holded_operator.steps.credentials import Secrets, database_access, kafka_access, registry_access
from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.fake_writes import Writes
from tests.support.operator_fakes import pipeline

AUTHORITY = trustme.CA()
CA = AUTHORITY.cert_pem.bytes()
CLIENT, OTHER = AUTHORITY.issue_cert("client"), AUTHORITY.issue_cert("other")
LOGIN = {"username": b"user", "password": b"correct horse"}
GOOD: dict[str, dict[str, bytes]] = {
    "kafka": LOGIN,
    "registry": LOGIN,
    "mysql": LOGIN,
    "ca": {"ca.crt": b"# of the company\n" + CA + CA},
    "client": {"tls.crt": CLIENT.cert_chain_pems[0].bytes(), "tls.key": CLIENT.private_key_pem.bytes()},
}
CA_REF = {"caSecretRef": {"name": "ca"}}
SPEC: dict[str, Any] = {
    "kafka": {
        "bootstrapServers": "kafka:9093",
        "security": {
            "protocol": "SASL_SSL",
            "saslMechanism": "PLAIN",
            "credentialsSecretRef": {"name": "kafka"},
            "clientCertificateSecretRef": {"name": "client"},
            **CA_REF,
        },
    },
    "schemaRegistry": {"url": "https://registry", "credentialsSecretRef": {"name": "registry"}, **CA_REF},
    "mysql": {
        "host": "mysql",
        "credentialsSecretRef": {"name": "mysql"},
        "tls": {"mode": "VerifyIdentity", **CA_REF},
    },
}
RESOURCE = HoldedPipeline.from_body(pipeline(**SPEC))
READERS: dict[str, Callable[[HoldedPipeline, Secrets], Any]] = {
    "spec.kafka.security": kafka_access,
    "spec.schemaRegistry": registry_access,
    "spec.mysql": database_access,
    "spec.mysql.tls": database_access,
}


def secrets(**changed: dict[str, bytes]) -> Secrets:
    kubernetes = FakeKubernetes(Writes())
    kubernetes.secrets = GOOD | {name: GOOD[name] | values for name, values in changed.items()}
    return Secrets(kubernetes, "tests")


def test_values_are_taken_as_they_are() -> None:
    kafka = kafka_access(RESOURCE, secrets())
    assert (kafka.username, kafka.password, kafka.ca) == ("user", "correct horse", GOOD["ca"]["ca.crt"].decode())
    assert (kafka.certificate, kafka.key) == tuple(value.decode() for value in GOOD["client"].values())
    assert registry_access(RESOURCE, secrets()).ca == kafka.ca
    assert database_access(RESOURCE, secrets()).ca == kafka.ca


@pytest.mark.parametrize("path", ["spec.kafka.security", "spec.schemaRegistry", "spec.mysql.tls"])
@pytest.mark.parametrize("value", [b"", b"\n", b"nonsense", b"\xff\x30\x82"], ids=["empty", "blank", "text", "DER"])
def test_authorities_that_are_none_are_refused_and_never_replaced_by_the_systems(path: str, value: bytes) -> None:
    with pytest.raises(SecretInvalidError, match=rf"^{path}\.caSecretRef: key 'ca\.crt' of Secret 'ca' "):
        READERS[path](RESOURCE, secrets(ca={"ca.crt": value}))


@pytest.mark.parametrize("path", ["spec.kafka.security", "spec.schemaRegistry", "spec.mysql"])
@pytest.mark.parametrize("key", ["username", "password"])
@pytest.mark.parametrize(
    ("value", "says"),
    [(b"", "is empty"), (b"secret\n", "ends with a line break"), (b"\xff", "is not UTF-8")],
    ids=["empty", "line break", "bytes"],
)
def test_a_user_or_password_that_cannot_be_meant_is_refused_without_telling_it(
    path: str, key: str, value: bytes, says: str
) -> None:
    name = {"spec.kafka.security": "kafka", "spec.schemaRegistry": "registry", "spec.mysql": "mysql"}[path]
    with pytest.raises(SecretInvalidError, match=f"Secret '{name}' {says}") as refused:
        READERS[path](RESOURCE, secrets(**{name: {key: value}}))
    assert str(refused.value).startswith(f"{path}.credentialsSecretRef: key '{key}'")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("tls.crt", b"nonsense", "holds no certificate"),
        ("tls.key", b"nonsense", "holds no private key"),
        ("tls.key", OTHER.private_key_pem.bytes(), "does not belong to the certificate"),
    ],
    ids=["certificate", "key", "pair"],
)
def test_a_client_certificate_needs_its_own_key(key: str, value: bytes, says: str) -> None:
    with pytest.raises(SecretInvalidError, match=f"clientCertificateSecretRef: key '{key}'.*{says}"):
        kafka_access(RESOURCE, secrets(client={key: value}))
