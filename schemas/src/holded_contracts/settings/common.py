"""Settings that more than one service reads."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from holded_contracts.topics import DEFAULT_TOPICS, Artefact

ENV_PREFIX = "HOLDED_"
ENV_DELIMITER = "__"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PipelineSettings(_Frozen):
    """Which HoldedPipeline this process belongs to."""

    name: str
    namespace: str = "default"
    version: str = "dev"
    """Version of code, rules and weights; every silver row carries it."""


_GIVING_UP = {
    "socket.timeout.ms": 15_000,
    "socket.connection.setup.timeout.ms": 5_000,
    "reconnect.backoff.max.ms": 2_000,
}
"""Where the network drops packets nobody says so: what gets no answer is given up and tried anew.

By librdkafka's defaults (60, 30 and 10 s) a client may notice so much later that the network is back. No request of
ours takes a healthy broker this long; librdkafka gives those that wait for the consumer group times of their own.
"""


class KafkaSettings(_Frozen):
    """How to reach Kafka; file paths point into mounted Secrets."""

    bootstrap_servers: str
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None

    def client_config(self) -> dict[str, str | int | float | bool]:
        """Return the librdkafka properties shared by every client of this process."""
        optional = {
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password.get_secret_value() if self.sasl_password else None,
            "ssl.ca.location": self.ssl_ca_location,
            "ssl.certificate.location": self.ssl_certificate_location,
            "ssl.key.location": self.ssl_key_location,
        }
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            **_GIVING_UP,
            **{key: value for key, value in optional.items() if value is not None},
        }


class SchemaRegistrySettings(_Frozen):
    """How to reach the Confluent-compatible schema registry."""

    url: str
    username: str | None = None
    password: SecretStr | None = None
    ca_location: str | None = None


class MySQLSettings(_Frozen):
    """How to reach MySQL."""

    host: str
    port: int = Field(default=3306, ge=1, le=65535)
    database: str = "holded"
    username: str
    password: SecretStr
    tls: Literal["Disabled", "Required", "VerifyCA", "VerifyIdentity"] = "Disabled"
    ca_location: str | None = None


class TopicNames(_Frozen):
    """Names of the pipeline's topics."""

    raw: str = DEFAULT_TOPICS[Artefact.RAW]
    silver: str = DEFAULT_TOPICS[Artefact.SILVER]
    dead_letter: str = DEFAULT_TOPICS[Artefact.DEAD_LETTER]
    analytics: str = DEFAULT_TOPICS[Artefact.ANALYTICS]
    ledger: str = DEFAULT_TOPICS[Artefact.LEDGER]


class ServiceSettings(BaseSettings):
    """What every service reads. Variables are HOLDED_<FIELD>, nested fields joined by two underscores."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter=ENV_DELIMITER, frozen=True, extra="ignore", populate_by_name=True
    )

    pipeline: PipelineSettings
    kafka: KafkaSettings
    schema_registry: SchemaRegistrySettings
    topics: TopicNames = TopicNames()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    pod_name: str = "local"
    """Identity of this process; on Kubernetes the pod's name (downward API), stable for StatefulSets."""
    shutdown_grace_seconds: float = Field(default=25.0, gt=0)
    """Time from SIGTERM in which all accepted work must be finished; below the pod's termination grace period."""
