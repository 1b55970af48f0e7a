"""What the worker must know of its topics: Kafka's id of the raw topic and the numbers of partitions."""

from typing import NamedTuple

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from holded_contracts.settings import TopicNames, WorkerSettings
from holded_contracts.topics import Artefact
from holded_worker.io.errors import TransientError, translated

_CALL_SECONDS = 10.0


class Topology(NamedTuple):
    """State of the topics at one time."""

    raw_topic_id: str
    partitions: dict[Artefact, int]

    def target(self, artefact: Artefact, number: int) -> int:
        """Return the partition to which outputs of a raw partition, or of a hash, go."""
        return number % self.partitions[artefact]


def admin_client(settings: WorkerSettings) -> AdminClient:
    """Return a client for questions about topics; it logs nothing, because what goes wrong is raised."""
    return AdminClient({**settings.kafka.client_config(), "client.id": f"{settings.pod_name}-admin", "log_level": 0})


def read_topology(admin: AdminClient, topics: TopicNames) -> Topology:
    """Ask Kafka.

    Raises
    ------
    TransientError
        If Kafka does not answer, a topic is missing, or silver has fewer partitions than raw: the operator heals both.
    """
    names = {artefact: getattr(topics, artefact) for artefact in Artefact}
    with translated("describe topics"):
        futures = admin.describe_topics(TopicCollection(list(names.values())), request_timeout=_CALL_SECONDS)
        found = {name: future.result(_CALL_SECONDS * 2) for name, future in futures.items()}
    partitions = {artefact: len(found[name].partitions) for artefact, name in names.items()}
    if partitions[Artefact.SILVER] < partitions[Artefact.RAW]:
        raise TransientError(
            f"topic {topics.silver} has {partitions[Artefact.SILVER]} partitions, "
            f"fewer than the {partitions[Artefact.RAW]} of {topics.raw}"
        )
    return Topology(str(found[topics.raw].topic_id), partitions)
