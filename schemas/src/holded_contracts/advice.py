"""What to do about a connection that does not come about: from a client library's words to a field and its fix.

The words are those of librdkafka 2.16 and Python's ssl module (OpenSSL 3), as tests/integration/security met them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

type _Rules = Sequence[tuple[re.Pattern[str], str]]


class KafkaFields(NamedTuple):
    """Names of what a connection to Kafka is made of, as the reader of a message has them."""

    servers: str
    protocol: str
    mechanism: str
    credentials: str
    ca: str
    certificate: str


KAFKA_RESOURCE = KafkaFields(
    "spec.kafka.bootstrapServers",
    "spec.kafka.security.protocol",
    "spec.kafka.security.saslMechanism",
    "the Secret of spec.kafka.security.credentialsSecretRef",
    "spec.kafka.security.caSecretRef",
    "spec.kafka.security.clientCertificateSecretRef",
)
KAFKA_ENVIRONMENT = KafkaFields(
    "HOLDED_KAFKA__BOOTSTRAP_SERVERS",
    "HOLDED_KAFKA__SECURITY_PROTOCOL",
    "HOLDED_KAFKA__SASL_MECHANISM",
    "HOLDED_KAFKA__SASL_USERNAME and HOLDED_KAFKA__SASL_PASSWORD",
    "HOLDED_KAFKA__SSL_CA_LOCATION",
    "HOLDED_KAFKA__SSL_CERTIFICATE_LOCATION",
)


class MySQLFields(NamedTuple):
    """Names of what a connection to MySQL is made of, as the reader of a message has them."""

    host: str
    credentials: str
    mode: str
    ca: str


MYSQL_RESOURCE = MySQLFields(
    "spec.mysql.host",
    "the Secret of spec.mysql.credentialsSecretRef",
    "spec.mysql.tls.mode",
    "spec.mysql.tls.caSecretRef",
)
MYSQL_ENVIRONMENT = MySQLFields(
    "HOLDED_MYSQL__HOST",
    "HOLDED_MYSQL__USERNAME and HOLDED_MYSQL__PASSWORD",
    "HOLDED_MYSQL__TLS",
    "HOLDED_MYSQL__CA_LOCATION",
)
REGISTRY_CA = "spec.schemaRegistry.caSecretRef"

_ACCOUNT = re.compile(r"'[^']*'@'")
_KAFKA: _Rules = [
    (
        re.compile(r"certificate verify failed"),
        "{ca} must hold the authority of the brokers' certificates, these the host in {servers}",
    ),
    (
        re.compile(r"alert (certificate required|handshake failure)"),
        "the brokers want a client's certificate that they trust: {certificate}",
    ),
    (
        re.compile(r"alert (bad certificate|unknown ca|certificate \w+|unsupported certificate)"),
        "the brokers do not trust the client's certificate: {certificate}",
    ),
    (
        re.compile(r"PLAINTEXT broker listener|wrong version number|Disconnected.*in state SSL_HANDSHAKE"),
        "the listener speaks no TLS: correct {protocol}, or the port in {servers}",
    ),
    (re.compile(r"Unsupported SASL mechanism"), "{mechanism} must be one that the brokers have"),
    (
        re.compile(r"not valid in current SASL state"),
        "the listener asks for no SASL: correct {protocol}, or the port in {servers}",
    ),
    (
        re.compile(r"SASL authentication error|invalid credentials"),
        "check username and password in {credentials}",
    ),
    (
        re.compile(r"Disconnected.*in state (APIVERSION_QUERY|UP)"),
        "if the brokers run, their listener wants TLS or SASL: correct {protocol}",
    ),
]
_REGISTRY: _Rules = [
    (
        re.compile(r"^HTTP 40[13]\b"),
        "check username and password in the Secret of spec.schemaRegistry.credentialsSecretRef",
    ),
    (re.compile(r"mismatch"), "spec.schemaRegistry.url must give a host that stands in the registry's certificate"),
    (
        re.compile(r"certificate verify failed"),
        f"{REGISTRY_CA} must hold the authority that signed the registry's certificate",
    ),
    (
        re.compile(r"WRONG_VERSION_NUMBER"),
        "the registry speaks no TLS: spec.schemaRegistry.url must begin with http://",
    ),
    (
        re.compile(r"^http://.*disconnected without"),
        "if the registry runs, it wants TLS: spec.schemaRegistry.url must begin with https://",
    ),
]
_MYSQL: _Rules = [
    (re.compile(r"^1045\b"), "check username and password in {credentials}"),
    (re.compile(r"^3159\b"), "the server takes TLS alone: {mode} must not be Disabled"),
    (re.compile(r"^2026\b"), "the server offers no TLS: enable it there, or set {mode} to Disabled"),
    (re.compile(r"mismatch"), "{host} must stand in the server's certificate, or {mode} be VerifyCA"),
    (re.compile(r"certificate verify failed"), "{ca} must hold the authority that signed the server's certificate"),
]


def kafka(said: str, fields: KafkaFields = KAFKA_RESOURCE) -> str | None:
    """Return what to do about what a Kafka client's connection met, None when the words tell of no setting."""
    found = _first(_KAFKA, said)
    return None if found is None else found.format_map(fields._asdict())


def registry(url: str, said: str) -> str | None:
    """Return what to do about a registry that cannot be asked; `said` is an HTTP status or what the client met."""
    return _first(_REGISTRY, f"{url} {said}" if not said.startswith("HTTP") else said)


def mysql(code: object, said: str, fields: MySQLFields = MYSQL_RESOURCE) -> str | None:
    """Return what to do about an error of MySQL or its driver."""
    found = _first(_MYSQL, f"{code} {said}")
    return None if found is None else found.format_map(fields._asdict())


def without_account(said: str) -> str:
    """Return MySQL's message without the user it quotes, whose name comes from a Secret."""
    return _ACCOUNT.sub("'***'@'", said)


def joined(said: str, advice: str | None) -> str:
    """Return one sentence of both."""
    return said if advice is None else f"{said}; {advice}"


def _first(rules: _Rules, said: str) -> str | None:
    return next((advice for pattern, advice in rules if pattern.search(said)), None)
