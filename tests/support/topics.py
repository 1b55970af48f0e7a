"""The five topics of a pipeline and their subjects, made as the operator makes them."""

import httpx
from confluent_kafka.admin import AdminClient, NewTopic

from holded_contracts.settings import KafkaSettings, SchemaRegistrySettings, TopicNames
from holded_contracts.topics import Artefact, subject
from holded_contracts.wire import schema_text


def create_topics(
    kafka: KafkaSettings, registry: SchemaRegistrySettings, prefix: str, *, partitions: int
) -> TopicNames:
    """Create five topics whose names begin with the prefix, register their subjects, and return the names."""
    names = TopicNames(**{artefact.value: f"{prefix}.{artefact.value}" for artefact in Artefact})
    admin = AdminClient({**kafka.client_config()})
    wanted = [NewTopic(getattr(names, artefact), partitions, 1) for artefact in Artefact]
    for created in admin.create_topics(wanted).values():
        created.result(timeout=30)
    for artefact in Artefact:
        answer = httpx.post(
            f"{registry.url}/subjects/{subject(getattr(names, artefact))}/versions",
            json={"schema": schema_text(artefact)},
            timeout=30,
        )
        answer.raise_for_status()
    return names
