"""The systems a pipeline uses: Kafka, the schema registry, MySQL."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from holded_operator.api.v1alpha1.common import ApiModel, CaSecretRef, SecretRef, cel, immutable, rules


class KafkaSecurity(ApiModel):
    """How clients prove who they are and whom they trust."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!self.protocol.startsWith('SASL') || has(self.saslMechanism)",
                "saslMechanism is required with a SASL protocol",
                field_path=".saslMechanism",
            ),
            cel(
                "!self.protocol.startsWith('SASL') || has(self.credentialsSecretRef)",
                "credentialsSecretRef is required with a SASL protocol",
                field_path=".credentialsSecretRef",
            ),
            cel(
                "self.protocol.startsWith('SASL') || (!has(self.saslMechanism) && !has(self.credentialsSecretRef))",
                "saslMechanism and credentialsSecretRef need protocol SASL_PLAINTEXT or SASL_SSL",
                field_path=".protocol",
            ),
            cel(
                "self.protocol.endsWith('SSL') || (!has(self.caSecretRef) && !has(self.clientCertificateSecretRef))",
                "caSecretRef and clientCertificateSecretRef need protocol SSL or SASL_SSL",
                field_path=".protocol",
            ),
        )
    )

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Kafka's security.protocol."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """Kafka's sasl.mechanism; required with a SASL protocol."""
    credentials_secret_ref: SecretRef | None = None
    """Secret with keys username and password; required with a SASL protocol."""
    ca_secret_ref: CaSecretRef | None = None
    """Authorities that sign the brokers' certificates; the system's when absent."""
    client_certificate_secret_ref: SecretRef | None = None
    """Secret with keys tls.crt and tls.key, for mutual TLS."""


class Kafka(ApiModel):
    """The Kafka cluster that carries the five topics."""

    bootstrap_servers: str = Field(min_length=3, max_length=2048, pattern=r"^[^\s,]+:[0-9]{1,5}(,[^\s,]+:[0-9]{1,5})*$")
    """host:port of one or more brokers, separated by commas."""
    security: KafkaSecurity = KafkaSecurity()
    """TLS and SASL; plain text when absent."""


class SchemaRegistry(ApiModel):
    """The Confluent-compatible schema registry."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.caSecretRef) || self.url.startsWith('https://')",
                "caSecretRef needs an https:// url",
                field_path=".url",
            )
        )
    )

    url: str = Field(max_length=2048, pattern=r"^https?://[^\s/]+(/\S*)?$")
    """Base URL, e.g. http://apicurio:8080/apis/ccompat/v7."""
    credentials_secret_ref: SecretRef | None = None
    """Secret with keys username and password, for basic authentication."""
    ca_secret_ref: CaSecretRef | None = None
    """Authorities that sign the registry's certificate; the system's when absent."""


class MySQLTlsMode(StrEnum):
    """How the connection to MySQL is protected, in MySQL's own terms."""

    DISABLED = "Disabled"
    REQUIRED = "Required"
    VERIFY_CA = "VerifyCA"
    VERIFY_IDENTITY = "VerifyIdentity"


class MySQLTls(ApiModel):
    """TLS to MySQL."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.mode.startsWith('Verify') == has(self.caSecretRef)",
                "caSecretRef is required with mode VerifyCA or VerifyIdentity, and unused with the others",
                field_path=".caSecretRef",
            )
        )
    )

    mode: MySQLTlsMode = MySQLTlsMode.DISABLED
    """Disabled, Required (encrypted, unverified), VerifyCA or VerifyIdentity."""
    ca_secret_ref: CaSecretRef | None = None
    """Authorities that sign the server's certificate."""


class MySQL(ApiModel):
    """The MySQL server that holds gold."""

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$")
    """Host name or address."""
    port: int = Field(default=3306, ge=1, le=65535)
    """TCP port."""
    database: Annotated[
        str,
        Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+$", json_schema_extra=immutable("mysql.database")),
    ] = "holded"
    """Database of this pipeline; created and migrated by the operator."""
    credentials_secret_ref: SecretRef
    """Secret with keys username and password."""
    tls: MySQLTls = MySQLTls()
    """TLS; off when absent."""
