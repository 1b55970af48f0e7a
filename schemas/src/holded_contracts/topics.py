"""Names of topics, subjects, consumer groups and transactional ids: built here and nowhere else."""

from enum import StrEnum


class Artefact(StrEnum):
    """The five streams of a pipeline; the value names the Avro schema file and the Python field."""

    RAW = "raw"
    SILVER = "silver"
    DEAD_LETTER = "dead_letter"
    ANALYTICS = "analytics"
    LEDGER = "ledger"


DEFAULT_TOPICS: dict[Artefact, str] = {
    Artefact.RAW: "events.raw",
    Artefact.SILVER: "events.silver",
    Artefact.DEAD_LETTER: "events.dead.letter",
    Artefact.ANALYTICS: "events.analytics",
    Artefact.LEDGER: "events.ledger",
}
"""Topic names used when the resource names none."""


def subject(topic: str) -> str:
    """Return the registry subject of a topic's values (Confluent's TopicNameStrategy)."""
    return f"{topic}-value"


def worker_group(namespace: str, pipeline: str) -> str:
    """Return the consumer group in which all worker pods of a pipeline share the raw topic."""
    return f"{namespace}.{pipeline}.worker"


def sink_group(namespace: str, pipeline: str) -> str:
    """Return the consumer group in which all sink pods of a pipeline share their input topics."""
    return f"{namespace}.{pipeline}.sink"


def transactional_id(namespace: str, pod: str) -> str:
    """Return a producer's identity, by its owner: stable over restarts, so a new pod fences its predecessor."""
    return f"{namespace}.{pod}"


def flink_writer(pipeline: str, partition: int) -> str:
    """Return the producer identity of whoever writes what becomes of a raw partition on Flink.

    No pod has this name, for it has an underscore, so it is nobody's identity on the embedded runner.
    """
    return f"{pipeline}.flink_{partition}"


def group_instance_id(pod: str, partitions: int) -> str:
    """Return the static group membership of a pod that reads this many partitions.

    A static member that comes back within its session gets its old assignment without a rebalance, and when it was the
    group's leader, nobody looks for new partitions from then on. So the number is part of the identity: where topics
    have grown, the pod comes back as somebody new, which makes the group share out everything.
    """
    return f"{pod}.{partitions}"
