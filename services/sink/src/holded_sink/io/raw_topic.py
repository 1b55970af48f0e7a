"""The beginning of the ledger: how many records the collector has put into the raw topic."""

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec, TopicDescription

from holded_contracts.settings import SinkSettings
from holded_sink.errors import TransientError

_ANSWER_TIMEOUT = 10.0


class RawTopic:
    """Asks Kafka about the raw topic; nothing is read from it."""

    def __init__(self, settings: SinkSettings) -> None:
        self._topic = settings.topics.raw
        # What goes wrong is raised, and told by whoever asks.
        self._admin = AdminClient({**settings.kafka.client_config(), "log_level": 0})

    def topic_id(self) -> str:
        """Return Kafka's id of the topic.

        Raises
        ------
        TransientError
            If Kafka does not answer, or not to this user.
        """
        return str(self._describe().topic_id)

    def records(self) -> int:
        """Return the number of records ever put into it: its offsets have no gaps. Errors as in `topic_id`."""
        partitions = len(self._describe().partitions)
        wanted = {TopicPartition(self._topic, number): OffsetSpec.latest() for number in range(partitions)}
        try:
            answers = self._admin.list_offsets(wanted, request_timeout=_ANSWER_TIMEOUT)
            return sum(answer.result(timeout=_ANSWER_TIMEOUT).offset for answer in answers.values())
        except (KafkaException, TimeoutError) as error:
            raise TransientError(f"Kafka tells no end offsets of {self._topic}: {error}") from error

    def _describe(self) -> TopicDescription:
        try:
            answers = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=_ANSWER_TIMEOUT)
            return answers[self._topic].result(timeout=_ANSWER_TIMEOUT)
        except (KafkaException, TimeoutError) as error:
            raise TransientError(f"Kafka does not describe {self._topic}: {error}") from error
