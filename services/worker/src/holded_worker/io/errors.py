"""The two kinds of fault the worker knows at its edges; Kafka's own errors are translated here and nowhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException


class TransientError(Exception):
    """Something outside is away or refuses for now: abort, wait, try again. Never a reason for a dead letter."""


class FatalError(Exception):
    """The process can't go on, e.g. a younger one has its identity: exit and let Kubernetes decide."""


def kafka_error(failed: BaseException) -> KafkaError | None:
    """Return the KafkaError inside an exception, if there is one."""
    inner = failed.args[0] if failed.args else None
    return inner if isinstance(inner, KafkaError) else None


def is_fatal(error: KafkaError) -> bool:
    """Tell whether a client is beyond repair: a fatal client state, or another owner of its identity."""
    fenced = {KafkaError._FATAL, KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.FENCED_INSTANCE_ID}  # noqa: SLF001 -- librdkafka's local codes are spelt so
    return bool(error.fatal()) or error.code() in fenced


@contextmanager
def translated(doing: str, explain: Callable[[KafkaError], object] = str) -> Iterator[None]:
    """Turn what Kafka's clients raise into TransientError or FatalError, with what was being done.

    `explain` words a transient error.
    """
    try:
        yield
    except (KafkaException, BufferError) as failed:
        error = kafka_error(failed)
        if error is not None and is_fatal(error):
            raise FatalError(f"{doing}: {error}") from failed
        raise TransientError(f"{doing}: {failed if error is None else explain(error)}") from failed
