"""From the Secrets that a resource names to ways of access and checksums; no value leaves this way in any message."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Protocol

from holded_operator.api.v1alpha1 import CaSecretRef, HoldedPipeline, SecretRef
from holded_operator.exceptions import ForbiddenError, SecretKeyMissingError, SecretMissingError
from holded_operator.gateways.interfaces import DatabaseAccess, KafkaAccess, RegistryAccess


class SecretReader(Protocol):
    """Whoever can read a Secret by name."""

    def read_secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's values, None when it does not exist."""
        ...


class Secrets:
    """The Secrets of one pass: each is read once, by name, in the resource's own namespace."""

    def __init__(self, kubernetes: SecretReader, namespace: str) -> None:
        self._kubernetes = kubernetes
        self._namespace = namespace
        self._read: dict[str, Mapping[str, bytes] | None] = {}

    def find(self, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's values, None when it does not exist."""
        if name not in self._read:
            self._read[name] = self._kubernetes.read_secret(self._namespace, name)
        return self._read[name]

    def require(self, field: str, name: str) -> Mapping[str, bytes]:
        """Return a Secret's values.

        Raises
        ------
        SecretMissingError
            If it does not exist; `field` is the path that names it.
        """
        found = self.find(name)
        if found is None:
            raise SecretMissingError(field, name)
        return found

    def text(self, field: str, name: str, key: str) -> str:
        """Return one value as text.

        Raises
        ------
        SecretMissingError, SecretKeyMissingError
            If there is no such Secret or key.
        """
        values = self.require(field, name)
        if key not in values:
            raise SecretKeyMissingError(field, name, key)
        return values[key].decode(errors="replace")

    def checksums(self, names: Iterable[str]) -> dict[str, str]:
        """Return the checksum of each Secret's content; one that does not exist or may not be read is left out.

        Whoever needs it will ask for it by `require`, and then it becomes a condition.
        """
        found = {name: self._if_allowed(name) for name in names}
        return {name: _checksum(values) for name, values in found.items() if values is not None}

    def _if_allowed(self, name: str) -> Mapping[str, bytes] | None:
        try:
            return self.find(name)
        except ForbiddenError:
            return None


def kafka_access(pipeline: HoldedPipeline, secrets: Secrets) -> KafkaAccess:
    """Return how to reach Kafka."""
    kafka, path = pipeline.spec.kafka, "spec.kafka.security"
    security = kafka.security
    username, password = _credentials(secrets, f"{path}.credentialsSecretRef", security.credentials_secret_ref)
    certificate, field = security.client_certificate_secret_ref, f"{path}.clientCertificateSecretRef"
    return KafkaAccess(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=security.protocol,
        sasl_mechanism=security.sasl_mechanism,
        username=username,
        password=password,
        ca=_authorities(secrets, f"{path}.caSecretRef", security.ca_secret_ref),
        certificate=secrets.text(field, certificate.name, "tls.crt") if certificate else None,
        key=secrets.text(field, certificate.name, "tls.key") if certificate else None,
    )


def registry_access(pipeline: HoldedPipeline, secrets: Secrets) -> RegistryAccess:
    """Return how to reach the schema registry."""
    registry, path = pipeline.spec.schema_registry, "spec.schemaRegistry"
    username, password = _credentials(secrets, f"{path}.credentialsSecretRef", registry.credentials_secret_ref)
    return RegistryAccess(
        url=registry.url,
        username=username,
        password=password,
        ca=_authorities(secrets, f"{path}.caSecretRef", registry.ca_secret_ref),
    )


def database_access(pipeline: HoldedPipeline, secrets: Secrets) -> DatabaseAccess:
    """Return how to reach MySQL."""
    mysql, field = pipeline.spec.mysql, "spec.mysql.credentialsSecretRef"
    return DatabaseAccess(
        host=mysql.host,
        port=mysql.port,
        database=mysql.database,
        username=secrets.text(field, mysql.credentials_secret_ref.name, "username"),
        password=secrets.text(field, mysql.credentials_secret_ref.name, "password"),
        tls=mysql.tls.mode.value,
        ca=_authorities(secrets, "spec.mysql.tls.caSecretRef", mysql.tls.ca_secret_ref),
    )


def _credentials(secrets: Secrets, field: str, reference: SecretRef | None) -> tuple[str | None, str | None]:
    if reference is None:
        return None, None
    return secrets.text(field, reference.name, "username"), secrets.text(field, reference.name, "password")


def _authorities(secrets: Secrets, field: str, reference: CaSecretRef | None) -> str | None:
    return None if reference is None else secrets.text(field, reference.name, reference.key)


def _checksum(values: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for key, value in sorted(values.items()):
        digest.update(f"{key}:{len(value)}:".encode() + value)
    return digest.hexdigest()
