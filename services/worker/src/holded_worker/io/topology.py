"""What the worker must know of its topics: Kafka's id of the raw topic and the numbers of partitions."""

from typing import Any, NamedTuple

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from holded_contracts.io.kafka import ConnectionLog
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


class Admin:
    """A client for questions about topics; it logs nothing, because what goes wrong is raised."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._connections = ConnectionLog()
        self.client = AdminClient(
            {**settings.kafka.client_config(), "client.id": f"{settings.pod_name}-admin"}, logger=self._connections
        )

    def explain(self, error: Any) -> str:
        """Return why Kafka did not answer."""
        return self._connections.explain(error, self.client.poll)

    def answered(self) -> None:
        """Forget what went wrong before."""
        self.client.poll(0)
        self._connections.clear()


def read_topology(admin: Admin, topics: TopicNames) -> Topology:
    """Ask Kafka.

    Raises
    ------
    TransientError
        If Kafka does not answer, a topic is missing, or silver has fewer partitions than raw: the operator heals both.
    """
    names = {artefact: getattr(topics, artefact) for artefact in Artefact}
    with translated("describe topics", admin.explain):
        futures = admin.client.describe_topics(TopicCollection(list(names.values())), request_timeout=_CALL_SECONDS)
        found = {name: future.result(_CALL_SECONDS * 2) for name, future in futures.items()}
    admin.answered()
    partitions = {artefact: len(found[name].partitions) for artefact, name in names.items()}
    if partitions[Artefact.SILVER] < partitions[Artefact.RAW]:
        raise TransientError(
            f"topic {topics.silver} has {partitions[Artefact.SILVER]} partitions, "
            f"fewer than the {partitions[Artefact.RAW]} of {topics.raw}"
        )
    return Topology(str(found[topics.raw].topic_id), partitions)
