"""How long Kafka keeps what was erased from MySQL."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from holded_contracts import advice
from holded_contracts.io.kafka import ConnectionLog
from holded_contracts.settings import KafkaSettings, TopicNames

_ANSWER_SECONDS = 10.0
_UNITS = ((86_400_000, "days"), (3_600_000, "hours"), (1_000, "seconds"))


def retention_of_topics(kafka: KafkaSettings, topics: TopicNames) -> dict[str, str]:
    """Return the retention of each topic that holds events, in words; a topic that does not answer says why."""
    connections = ConnectionLog(fields=advice.KAFKA_ENVIRONMENT)
    admin = AdminClient(kafka.client_config(), logger=connections)
    names = [topics.raw, topics.silver, topics.dead_letter, topics.analytics]
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    found: dict[str, str] = {}
    for resource, future in admin.describe_configs(resources, request_timeout=_ANSWER_SECONDS).items():
        try:
            found[resource.name] = in_words(int(future.result(2 * _ANSWER_SECONDS)["retention.ms"].value))
        except KafkaException as error:
            found[resource.name] = f"not known: {connections.explain(error.args[0], admin.poll)}"
        except (TimeoutError, KeyError, ValueError) as error:
            found[resource.name] = f"not known: {error}"
    return found


def in_words(milliseconds: int) -> str:
    """Return a retention.ms as people say it."""
    if milliseconds < 0:
        return "for ever"
    for unit, name in _UNITS:
        if milliseconds >= unit and milliseconds % unit == 0:
            return f"{milliseconds // unit} {name}"
    return f"{milliseconds} ms"
