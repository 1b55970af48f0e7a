"""What the operator asks of the outside: values and protocols, no client library.

Every call is synchronous, bounded by a time-out, and raises only classes of `holded_operator.exceptions`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

type Body = dict[str, Any]
"""A Kubernetes object as JSON."""

type Versions = frozenset[tuple[str, str]]
"""Uid and resource version of a pipeline and of each object that it owns."""


@dataclass(frozen=True)
class KafkaAccess:
    """How to reach Kafka; PEM texts, not files, since the operator reads them from Secrets."""

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RegistryAccess:
    """How to reach the Confluent-compatible schema registry."""

    url: str
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DatabaseAccess:
    """How to reach MySQL."""

    host: str
    port: int
    database: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    tls: Literal["Disabled", "Required", "VerifyCA", "VerifyIdentity"] = "Disabled"
    ca: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Host and port, as error messages name them."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class TopicState:
    """A topic as the brokers describe it."""

    name: str
    topic_id: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]
    """Effective value of every setting."""
    overrides: frozenset[str]
    """Names of the settings set on the topic itself."""


@dataclass(frozen=True)
class RegisteredSchema:
    """Where a schema stands in the registry."""

    schema_id: int
    version: int


@dataclass(frozen=True)
class CanarySeen:
    """The newest canary in the database."""

    sent_at: datetime
    """By the clock of the collector that sent it; knows its time zone."""
    milliseconds: int
    """From there until it was stored, by the sink's clock."""


@dataclass(frozen=True)
class LedgerTotals:
    """What the database has counted of a pipeline's events."""

    former: int
    """Events processed from raw topics that are no more: one that is made again counts its offsets from 0."""
    gold: int
    dead_letters: int
    duplicates: int
    canaries: int = 0
    """Records of raw that are nobody's events, as far as they have arrived."""
    canary: CanarySeen | None = None
    """The newest of them, None before the first."""


class Change(StrEnum):
    """What applying an object did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Applied:
    """An object after it was applied."""

    change: Change
    live: Body


class KubernetesGateway(Protocol):
    """The API server: pipelines, the objects they own, Secrets by name, Events."""

    def get_pipeline(self, namespace: str, name: str) -> Body | None:
        """Return the resource as it is now, None when it is gone."""
        ...

    def list_pipelines(self, namespaces: Sequence[str]) -> list[tuple[str, str]]:
        """Return namespace and name of every resource in these namespaces (all, when none are given)."""
        ...

    def read_pipelines(self, namespaces: Sequence[str]) -> list[Body]:
        """Return every resource in these namespaces (all, when none are given)."""
        ...

    def versions(self, namespaces: Sequence[str]) -> Mapping[str, Versions]:
        """Return the versions of every pipeline in these namespaces and of what it owns, by the pipeline's uid."""
        ...

    def set_finalizers(self, pipeline: Body, finalizers: Sequence[str]) -> Body | None:
        """Replace the finalizers of exactly this version of the resource; None when it went with them."""
        ...

    def write_status(self, pipeline: Body, status: Body) -> Body | None:
        """Replace the whole status, through the status subresource; returns the resource as it is then."""
        ...

    def read_secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's values, None when it does not exist."""
        ...

    def list_children(self, pipeline: Body) -> list[Body]:
        """Return every object that this resource owns, of every kind that the operator can render."""
        ...

    def get(self, template: Body) -> Body | None:
        """Return the live object of the template's kind, namespace and name."""
        ...

    def list_pods(self, pipeline: Body, component: str) -> list[Body]:
        """Return the pods of one component."""
        ...

    def apply(self, pipeline: Body, wanted: Body, live: Body | None) -> Applied:
        """Bring one object to its rendered form by server-side apply; no write when it is there already."""
        ...

    def delete(self, live: Body, *, wait_for_dependents: bool = False) -> None:
        """Delete exactly this object (by uid); with `wait_for_dependents` it stays until its pods are gone."""
        ...

    def emit(self, pipeline: Body, *, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Write an Event about the resource; best effort, never raises for the outside's sake."""
        ...


class InspectionGateway(KubernetesGateway, Protocol):
    """What people ask of the API server beyond the operator's needs, with their own rights. It writes nothing."""

    def served(self) -> bool:
        """Tell whether the API server knows the CRD."""
        ...

    def version(self) -> str:
        """Return the version of the API server."""
        ...

    def preview(self, wanted: Body) -> Body:
        """Return what an owned object would be if it were applied."""
        ...

    def preview_pipeline(self, body: Body, live: Body | None) -> Body:
        """Return what a resource would be if `kubectl apply` brought it.

        Raises
        ------
        ObjectRejectedError
            With what the schema, a rule or an admission policy has against it.
        """
        ...

    def list_events(self, namespace: str) -> list[Body]:
        """Return the Events (core/v1) of a namespace."""
        ...

    def list_operator_pods(self) -> list[Body]:
        """Return the operator's pods, in whichever namespace."""
        ...

    def read_log(self, pod: Body, container: str, *, lines: int, previous: bool = False) -> str:
        """Return the end of a container's log, or of its predecessor's; empty when there is none."""
        ...


class KafkaGateway(Protocol):
    """Topics, offsets and consumer groups."""

    def describe_topics(self, access: KafkaAccess, names: Collection[str]) -> dict[str, TopicState]:
        """Return the topics that exist, by name."""
        ...

    def create_topic(
        self,
        access: KafkaAccess,
        name: str,
        *,
        partitions: int,
        replication_factor: int | None,
        config: Mapping[str, str],
    ) -> None:
        """Create a topic; None as replication factor takes the brokers' default. Existing already is no error."""
        ...

    def add_partitions(self, access: KafkaAccess, name: str, total: int) -> None:
        """Grow a topic to this many partitions."""
        ...

    def alter_config(
        self, access: KafkaAccess, name: str, values: Mapping[str, str], reset: Collection[str] = ()
    ) -> None:
        """Set these settings of a topic and give others the brokers' default again; all others stay."""
        ...

    def delete_topic(self, access: KafkaAccess, name: str) -> bool:
        """Delete a topic; False when it did not exist."""
        ...

    def end_offsets(self, access: KafkaAccess, name: str, partitions: int) -> dict[int, int]:
        """Return the end offset of every partition (read_uncommitted: the log's end)."""
        ...

    def committed_offsets(self, access: KafkaAccess, group: str, topic: str, partitions: int) -> dict[int, int]:
        """Return the offsets a consumer group has committed; a partition without one is missing."""
        ...


class RegistryGateway(Protocol):
    """Subjects of a Confluent-compatible schema registry."""

    def find(self, access: RegistryAccess, subject: str, schema: str) -> RegisteredSchema | None:
        """Return where exactly this schema stands in the subject, None when it does not."""
        ...

    def incompatibilities(self, access: RegistryAccess, subject: str, schema: str) -> list[str] | None:
        """Return why the schema breaks the subject's rule against its latest version; None when it does not."""
        ...

    def register(self, access: RegistryAccess, subject: str, schema: str) -> RegisteredSchema:
        """Add the schema as the subject's latest version."""
        ...

    def compatibility(self, access: RegistryAccess, subject: str) -> str | None:
        """Return the subject's own compatibility level, None when it has none."""
        ...

    def set_compatibility(self, access: RegistryAccess, subject: str, level: str) -> None:
        """Set the subject's own compatibility level."""
        ...

    def delete_subject(self, access: RegistryAccess, subject: str) -> bool:
        """Delete a subject with its versions; False when it did not exist."""
        ...


class DatabaseGateway(Protocol):
    """The gold database."""

    def migrate(self, access: DatabaseAccess) -> tuple[str, ...]:
        """Create the database where it is missing, apply pending migrations; returns the names of what it did."""
        ...

    def ledger(self, access: DatabaseAccess, raw_topic_id: str) -> LedgerTotals | None:
        """Return the totals, None when the database has no view `ledger` yet; `raw_topic_id` is that of today's raw."""
        ...

    def partitions_end(self, access: DatabaseAccess) -> date | None:
        """Return the first day after the last day partition of `events`, None when it has no day partitions."""
        ...

    def drop(self, access: DatabaseAccess) -> bool:
        """Drop what the migrations made, and the database when nothing else is in it; False when it was gone."""
        ...


class FlinkJob(BaseModel):
    """What the submitter answers on GET /job; it may tell more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: str
    job_id: str | None = None
    checkpoint_age_seconds: float | None = None
    restarts: int | None = None
    restored_from: str | None = None


class FlinkGateway(Protocol):
    """The jobs of runner Flink."""

    def job(self, namespace: str, name: str) -> FlinkJob | None:
        """Return what the submitter of a pipeline tells of its job, None when it does not answer."""
        ...


class OwnObjectsGateway(Protocol):
    """What the operator keeps for itself in the cluster: all of one name, in its own namespace."""

    def read_lease(self) -> Body:
        """Return the Lease; one without a resource version does not exist yet."""
        ...

    def write_lease(self, lease: Body) -> None:
        """Create or replace the Lease, exactly the version that was read.

        Raises
        ------
        StaleObjectError
            If somebody else was faster.
        """
        ...

    def read_certificate(self) -> Body:
        """Return the Secret of the admission webhook's certificate."""
        ...

    def write_certificate(self, secret: Body) -> None:
        """Replace the Secret, exactly the version that was read; raises StaleObjectError as `write_lease`."""
        ...

    def read_webhooks(self) -> Body:
        """Return our ValidatingWebhookConfiguration."""
        ...

    def patch_webhooks(self, configuration: Body, ca_bundle: str, path: str) -> None:
        """Set caBundle (base64) and path of every webhook in our ValidatingWebhookConfiguration."""
        ...


def object_id(body: Body) -> str:
    """Return "Kind name", as messages name an object."""
    return f"{body['kind']} {body['metadata']['name']}"


def is_owned_by(body: Body, uid: str) -> bool:
    """Tell whether the owner with this uid is among the object's owner references."""
    references: Iterable[Body] = body["metadata"].get("ownerReferences") or ()
    return any(reference.get("uid") == uid for reference in references)
