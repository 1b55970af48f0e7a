"""From the Secrets that a resource names to ways of access and checksums; no value leaves this way in any message."""

import hashlib
from collections.abc import Iterable, Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from holded_operator.api.v1alpha1 import CaSecretRef, HoldedPipeline, SecretRef
from holded_operator.exceptions import ForbiddenError, SecretInvalidError, SecretKeyMissingError, SecretMissingError
from holded_operator.gateways.interfaces import DatabaseAccess, KafkaAccess, KubernetesGateway, RegistryAccess


class Secrets:
    """The Secrets of one pass: each is read once, by name, in the resource's own namespace."""

    def __init__(self, kubernetes: KubernetesGateway, namespace: str) -> None:
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
        SecretMissingError, SecretKeyMissingError, SecretInvalidError
            If there is no such Secret or key, or its value is not UTF-8.
        """
        values = self.require(field, name)
        if key not in values:
            raise SecretKeyMissingError(field, name, key)
        try:
            return values[key].decode()
        except UnicodeDecodeError as error:
            raise SecretInvalidError(field, name, key, "is not UTF-8 text") from error

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
    certificate, key = _key_pair(secrets, f"{path}.clientCertificateSecretRef", security.client_certificate_secret_ref)
    return KafkaAccess(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=security.protocol,
        sasl_mechanism=security.sasl_mechanism,
        username=username,
        password=password,
        ca=_authorities(secrets, f"{path}.caSecretRef", security.ca_secret_ref),
        certificate=certificate,
        key=key,
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
    mysql = pipeline.spec.mysql
    username, password = _login(secrets, "spec.mysql.credentialsSecretRef", mysql.credentials_secret_ref)
    return DatabaseAccess(
        host=mysql.host,
        port=mysql.port,
        database=mysql.database,
        username=username,
        password=password,
        tls=mysql.tls.mode.value,
        ca=_authorities(secrets, "spec.mysql.tls.caSecretRef", mysql.tls.ca_secret_ref),
    )


def _credentials(secrets: Secrets, field: str, reference: SecretRef | None) -> tuple[str | None, str | None]:
    return (None, None) if reference is None else _login(secrets, field, reference)


def _login(secrets: Secrets, field: str, reference: SecretRef) -> tuple[str, str]:
    found = {key: secrets.text(field, reference.name, key) for key in ("username", "password")}
    for key, value in found.items():
        if not value:
            raise SecretInvalidError(field, reference.name, key, "is empty")
        if value.endswith("\n"):
            # The pods get it by reference, exactly as it is, so it cannot be cut off here.
            why = "ends with a line break, which is then part of it: write it without (a file by printf, not echo)"
            raise SecretInvalidError(field, reference.name, key, why)
    return found["username"], found["password"]


def _authorities(secrets: Secrets, field: str, reference: CaSecretRef | None) -> str | None:
    if reference is None:
        return None
    # An empty text must not pass: the client libraries would trust the system's authorities instead.
    text = secrets.text(field, reference.name, reference.key)
    _certificates(text, field, reference.name, reference.key)
    return text


def _key_pair(secrets: Secrets, field: str, reference: SecretRef | None) -> tuple[str | None, str | None]:
    if reference is None:
        return None, None
    certificate, key = (secrets.text(field, reference.name, name) for name in ("tls.crt", "tls.key"))
    [first, *_] = _certificates(certificate, field, reference.name, "tls.crt")
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        why = "holds no private key in PEM without a pass phrase"
        raise SecretInvalidError(field, reference.name, "tls.key", why) from error
    if private.public_key() != first.public_key():
        raise SecretInvalidError(field, reference.name, "tls.key", "does not belong to the certificate in 'tls.crt'")
    return certificate, key


def _certificates(text: str, field: str, secret: str, key: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise SecretInvalidError(field, secret, key, "holds no certificate in PEM") from error


def _checksum(values: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for key, value in sorted(values.items()):
        digest.update(f"{key}:{len(value)}:".encode() + value)
    return digest.hexdigest()
