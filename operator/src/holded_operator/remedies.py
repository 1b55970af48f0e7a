"""What each reason of a condition means and what to do about it: the one source for the guide and the plugin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Remedy:
    """A row of the guide's table; the texts are Markdown."""

    reasons: tuple[str, ...]
    means: str
    do: str


REMEDIES: Final = (
    Remedy(("AllPartsReady", "UpToDate", "PodsReady", "CanariesArrive"), "all is well", "nothing"),
    Remedy(
        ("ReplicationFactorDiffers",),
        "a topic has another number of replicas than `topics.*.replicationFactor`; the pipeline runs",
        "move its partitions with `kafka-reassign-partitions.sh`, or set the number it has",
    ),
    Remedy(("Pending",), "not reached yet", "wait"),
    Remedy(("Deleting",), "the resource is being deleted", "wait; a Warning Event `LeftBehind` says what stays"),
    Remedy(
        ("WaitingForPrerequisites",),
        "an earlier part is not ready, so this one has to wait",
        "look at the part that is False",
    ),
    Remedy(("RollingOut",), "pods are being replaced", "wait"),
    Remedy(
        ("PodsNotReady",),
        "pods run but are not ready, e.g. because Kafka or MySQL is away",
        "`kubectl logs`; a pod's `/ready` gives its reason",
    ),
    Remedy(
        ("PodsFailing",), "pods cannot start: no image, no node with room, a crash", "the message names pod and cause"
    ),
    Remedy(
        ("SwitchingRunner",),
        "`worker.runner` or `worker.flink.mode` was changed, or Flink resumes, and the pods of before are still there",
        "wait; the worker starts when they are gone",
    ),
    Remedy(
        ("FlinkJobNotRunning",),
        "Flink's pods are ready, its job is not running: it is being submitted, restarted or restored; nothing is lost",
        "wait a minute; then see the logs of the worker's pod and of the TaskManagers' containers",
    ),
    Remedy(
        ("FlinkOperatorMissing",),
        "`worker.flink.mode` is Operator, and this cluster knows no FlinkDeployments",
        "install the Flink Kubernetes Operator, or set `worker.flink.mode: Standalone`",
    ),
    Remedy(
        ("FlinkDeploymentPending",),
        "the Flink Kubernetes Operator has not taken up the pipeline's FlinkDeployment, or its latest change",
        "see that it runs and watches the pipeline's namespace",
    ),
    Remedy(
        ("FlinkDeploymentFailing",),
        "the Flink Kubernetes Operator tells of an error in the pipeline's FlinkDeployment",
        "the message is its own; see its log, and `kubectl describe flinkdeployment NAME`",
    ),
    Remedy(
        ("PartitionRunwayShort",),
        "the sink has made no day partitions of `events` for days; nothing is lost, `p_future` takes later days, but"
        " queries and `sink.retentionDays` miss their partitions",
        "the sink's log has the cause, e.g. that its user may not EXECUTE `events_add_partitions`",
    ),
    Remedy(
        ("CanaryPending",),
        "no canary is due yet: the pipeline is not Ready, has just become so, or has no collector pods",
        "wait; where Ready is False, see why",
    ),
    Remedy(
        ("CanaryLate",),
        "none of the pipeline's own events has arrived in MySQL for three periods (`monitoring.canary`)",
        "see where `status.lag` and `status.ledger` stand still, and the logs of that stage: collector, worker, sink",
    ),
    Remedy(("Suspended",), "`spec.suspend` is set", "unset it"),
    Remedy(
        ("InvalidSpec",),
        "the spec contradicts itself; running pods stay as they are",
        "correct the field that the message names",
    ),
    Remedy(
        ("KafkaUnavailable",),
        "no broker answers, or none that can be trusted",
        "check `kafka.bootstrapServers`, network policies, the brokers, and the field that the message names",
    ),
    Remedy(
        ("KafkaRefused",),
        "the broker refuses: credentials, ACLs, a policy, a bad value in `topics.*.config`",
        "correct what the message names",
    ),
    Remedy(
        ("TopicNotFound",),
        "a topic with `managed: false` does not exist",
        "create it, or let the operator: `managed: true`",
    ),
    Remedy(("TopicTooSmall",), "a topic with `managed: false` has too few partitions", "grow it"),
    Remedy(
        ("TopicClaimed",), "an older pipeline has this topic", "give each pipeline topics of its own: `topics.*.name`"
    ),
    Remedy(("SilverNarrowerThanRaw",), "silver has fewer partitions than raw", "raise `topics.silver.partitions`"),
    Remedy(
        ("TopicCannotShrink",),
        "fewer partitions are asked for than the topic has",
        "set the number the message names, or more",
    ),
    Remedy(
        ("SchemaRegistryUnavailable",),
        "the registry does not answer, or with a server error, or cannot be trusted",
        "check `schemaRegistry.url`, the registry, and the field that the message names",
    ),
    Remedy(
        ("SchemaRegistryRefused",),
        "the registry refuses: credentials, rights, a schema",
        "correct what the message names",
    ),
    Remedy(
        ("SchemaIncompatible",),
        "this release's schema breaks the subject's compatibility",
        "nothing rolls out; see who registered the other schema, or name another topic",
    ),
    Remedy(
        ("DatabaseUnavailable",),
        "MySQL does not answer, or cannot be trusted",
        "check `mysql.host`, `mysql.port`, network policies, MySQL, and the field that the message names",
    ),
    Remedy(
        ("DatabaseAccessDenied",),
        "wrong credentials, or a missing right",
        "correct the Secret, or grant what the message names",
    ),
    Remedy(("DatabaseError",), "another answer of MySQL", "read the message"),
    Remedy(("MigrationFailed",), "a migration did not go through", "read its cause; it is tried again"),
    Remedy(("MigrationInProgress",), "another session migrates this database", "wait"),
    Remedy(
        ("SecretNotFound",),
        "a Secret that the resource names does not exist in its namespace",
        "create it there, or correct the field that the message names",
    ),
    Remedy(("SecretKeyNotFound",), "the Secret lacks a key", "add the key that the message names"),
    Remedy(
        ("SecretInvalid",),
        "a key of a Secret holds no certificate, no private key, or a user or password that cannot be meant",
        "write the key anew; the message says what is wrong with it",
    ),
    Remedy(
        ("Forbidden",),
        "RBAC does not let the operator do it",
        "install the chart with `rbac.create`, or grant what the message names",
    ),
    Remedy(("ObjectRejected",), "the API server refuses an object: a quota, an admission policy", "read the message"),
    Remedy(
        ("ObjectConflict",),
        "an object of this name exists and is somebody else's",
        "delete or rename it, or rename the pipeline",
    ),
    Remedy(("ObjectTerminating",), "an object of this name is still being deleted", "wait"),
    Remedy(("StaleObject",), "the object changed while it was written", "nothing; the next pass repeats it"),
    Remedy(("KubernetesUnavailable",), "the API server does not answer", "nothing; the operator tries again"),
)
"""In the order of docs/guides/operating.md: what is well first, then from the general to the particular."""

_BY_REASON: Mapping[str, Remedy] = {reason: remedy for remedy in REMEDIES for reason in remedy.reasons}


def remedy(reason: str) -> Remedy | None:
    """Return what a reason means and what to do; None for one that another version of the operator gave."""
    return _BY_REASON.get(reason)
