"""Everything that can keep a pipeline from Ready: one class per situation, from no framework.

A library's own errors are translated into these at the edge (`gateways/`). `reason` is the reason of the condition that
tells the user; the message is that condition's message, so it names the field, the address and the cause. No message
holds a secret value.
"""

from collections.abc import Sequence
from typing import ClassVar


class OperatorError(Exception):
    """Base of all; never raised itself."""

    reason: ClassVar[str]
    """CamelCase word for the condition."""

    system: ClassVar[str] = "operator"
    """Which outside system is meant; a metric label."""

    retry_after_seconds: float = 0.0
    """Time for which the system has asked to be left alone; no part of the message, which stays the same meanwhile."""


class UnavailableError(OperatorError):
    """An outside system does not answer: transient, retried with backoff, and it heals by itself."""

    name: ClassVar[str]

    def __init__(self, address: str, cause: str, *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(f"{self.name} at {address} cannot be reached: {cause}")
        self.address = address
        self.cause = cause
        self.retry_after_seconds = retry_after_seconds


# -- Kubernetes -------------------------------------------------------------------------------------------------------


class KubernetesUnavailableError(UnavailableError):
    """The API server does not answer, or answers 5xx, 408 or 429."""

    reason = "KubernetesUnavailable"
    system = "kubernetes"
    name = "the Kubernetes API"


class ForbiddenError(OperatorError):
    """RBAC does not let the operator, or the user of the plugin, do what it has to."""

    reason = "Forbidden"
    system = "kubernetes"

    def __init__(self, what: str, message: str) -> None:
        super().__init__(f"{what} is forbidden: {message}")


class ObjectRejectedError(OperatorError):
    """The API server refuses an object that we render: invalid, an immutable field, a quota or an admission policy."""

    reason = "ObjectRejected"
    system = "kubernetes"

    def __init__(self, what: str, message: str) -> None:
        super().__init__(f"{what} was refused: {message}")


class ObjectConflictError(OperatorError):
    """An object of our name exists and is somebody else's; it is left alone."""

    reason = "ObjectConflict"
    system = "kubernetes"

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} already exists and {why}; delete or rename it, or rename the HoldedPipeline")


class ObjectTerminatingError(OperatorError):
    """An object of our name is being deleted; the next pass creates it anew."""

    reason = "ObjectTerminating"
    system = "kubernetes"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is still being deleted; it will be created again")


class RunnerSwitchingError(OperatorError):
    """Pods of the former runner are still there; two runners never write at a time."""

    reason = "SwitchingRunner"
    system = "kubernetes"

    def __init__(self, left: str) -> None:
        super().__init__(f"the worker starts when the former runner has stopped; still there: {left}")


class FlinkOperatorMissingError(OperatorError):
    """The API server knows no FlinkDeployments."""

    reason = "FlinkOperatorMissing"
    system = "kubernetes"

    def __init__(self) -> None:
        super().__init__(
            "spec.worker.flink.mode: this cluster knows no FlinkDeployments (flink.apache.org/v1beta1);"
            " install the Flink Kubernetes Operator, or set Standalone"
        )


class StaleObjectError(OperatorError):
    """The object changed since it was read (409); the next pass sees the new one."""

    reason = "StaleObject"
    system = "kubernetes"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} changed meanwhile")


class SecretMissingError(OperatorError):
    """A Secret named in the resource does not exist in its namespace."""

    reason = "SecretNotFound"
    system = "kubernetes"

    def __init__(self, field: str, secret: str) -> None:
        super().__init__(f"{field}: Secret {secret!r} does not exist in this namespace")


class SecretKeyMissingError(OperatorError):
    """A Secret lacks a key that the resource needs."""

    reason = "SecretKeyNotFound"
    system = "kubernetes"

    def __init__(self, field: str, secret: str, key: str) -> None:
        super().__init__(f"{field}: Secret {secret!r} has no key {key!r}")


class SecretInvalidError(OperatorError):
    """A Secret has the key, but what it holds cannot be meant."""

    reason = "SecretInvalid"
    system = "kubernetes"

    def __init__(self, field: str, secret: str, key: str, why: str) -> None:
        super().__init__(f"{field}: key {key!r} of Secret {secret!r} {why}")


# -- Kafka ------------------------------------------------------------------------------------------------------------


class KafkaUnavailableError(UnavailableError):
    """No broker answers in time."""

    reason = "KafkaUnavailable"
    system = "kafka"
    name = "Kafka"


class KafkaRefusedError(OperatorError):
    """The broker answers and refuses: credentials, ACLs, a policy, an invalid configuration value."""

    reason = "KafkaRefused"
    system = "kafka"

    def __init__(self, what: str, cause: str) -> None:
        super().__init__(f"Kafka refused to {what}: {cause}")


class TopicMissingError(OperatorError):
    """A topic with `managed: false` does not exist."""

    reason = "TopicNotFound"
    system = "kafka"

    def __init__(self, field: str, topic: str) -> None:
        super().__init__(f"{field}: topic {topic!r} does not exist, and with managed: false it is yours to create")


class TopicTooSmallError(OperatorError):
    """A topic with `managed: false` has fewer partitions than the pipeline needs."""

    reason = "TopicTooSmall"
    system = "kafka"

    def __init__(self, field: str, topic: str, *, live: int, wanted: int) -> None:
        super().__init__(
            f"{field}.partitions: topic {topic!r} has {live} partitions, {wanted} are needed, and with managed: false "
            "it is yours to grow"
        )


class TopicShrinkError(OperatorError):
    """The resource asks for fewer partitions than a topic has; Kafka cannot shrink."""

    reason = "TopicCannotShrink"
    system = "kafka"

    def __init__(self, field: str, topic: str, *, live: int, wanted: int) -> None:
        super().__init__(
            f"{field}.partitions: topic {topic!r} has {live} partitions and cannot be shrunk to {wanted}; "
            f"set it to {live} or more"
        )


class TopicClaimedError(OperatorError):
    """An older pipeline has the topic already."""

    reason = "TopicClaimed"
    system = "kafka"

    def __init__(self, field: str, topic: str, *, owner: str) -> None:
        super().__init__(
            f"{field}: topic {topic!r} belongs to {owner}, which is older; give each pipeline topics of its own"
        )


class ReplicationFactorError(OperatorError):
    """A topic has another replication factor than the resource asks for; told, never raised: the pipeline runs."""

    reason = "ReplicationFactorDiffers"
    system = "kafka"

    def __init__(self, field: str, topic: str, *, live: int, wanted: int) -> None:
        super().__init__(
            f"{field}.replicationFactor: topic {topic} has {live} replicas instead of {wanted}; move its partitions"
            " with kafka-reassign-partitions.sh, or set the number it has"
        )


class SilverNarrowerError(OperatorError):
    """Silver has fewer partitions than raw, in which the worker could not keep an event's partition."""

    reason = "SilverNarrowerThanRaw"
    system = "kafka"

    def __init__(self, *, silver: int, raw: int) -> None:
        super().__init__(
            f"spec.topics.silver.partitions: silver has {silver} partitions and raw has {raw}; "
            f"set it to {raw} or more, since an event keeps its partition from raw to silver"
        )


# -- Schema registry --------------------------------------------------------------------------------------------------


class RegistryUnavailableError(UnavailableError):
    """The registry does not answer, or answers 5xx."""

    reason = "SchemaRegistryUnavailable"
    system = "registry"
    name = "the schema registry"


class RegistryRefusedError(OperatorError):
    """The registry answers and refuses: credentials, rights, a schema it cannot read."""

    reason = "SchemaRegistryRefused"
    system = "registry"

    def __init__(self, what: str, cause: str) -> None:
        super().__init__(f"the schema registry refused to {what}: {cause}")


class IncompatibleSchemaError(OperatorError):
    """The schema of this release breaks a subject's compatibility rule; nothing rolls out."""

    reason = "SchemaIncompatible"
    system = "registry"

    def __init__(self, subject: str, level: str, messages: Sequence[str]) -> None:
        detail = "; ".join(messages) or "the registry gives no detail"
        super().__init__(
            f"spec.schemas.compatibility: subject {subject!r} ({level}): this release's schema is incompatible with the"
            f" latest version: {detail}"
        )
        self.messages = tuple(messages)


# -- MySQL ------------------------------------------------------------------------------------------------------------


class DatabaseUnavailableError(UnavailableError):
    """MySQL does not answer in time."""

    reason = "DatabaseUnavailable"
    system = "mysql"
    name = "MySQL"


class DatabaseAccessError(OperatorError):
    """MySQL refuses the credentials, or the account lacks a privilege."""

    reason = "DatabaseAccessDenied"
    system = "mysql"

    def __init__(self, address: str, cause: str, remedy: str) -> None:
        super().__init__(f"MySQL at {address} denies access: {cause}; {remedy}")


class MigrationError(OperatorError):
    """A migration fails; what it left behind is for a person to look at, and it is tried again."""

    reason = "MigrationFailed"
    system = "mysql"

    def __init__(self, migration: str, cause: str) -> None:
        super().__init__(f"migration {migration} failed: {cause}")


class MigrationLockedError(OperatorError):
    """Somebody else migrates this database right now."""

    reason = "MigrationInProgress"
    system = "mysql"

    def __init__(self, database: str) -> None:
        super().__init__(f"another session is migrating database {database!r}; waiting for it")


class DatabaseError(OperatorError):
    """Any other answer of MySQL that keeps us from going on."""

    reason = "DatabaseError"
    system = "mysql"

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(f"MySQL at {address}: {cause}")
