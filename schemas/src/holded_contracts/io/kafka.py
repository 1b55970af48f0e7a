"""Why a Kafka client has no connection.

librdkafka connects in the background for ever, and a call that waits for it ends with a bare "timed out" or "transport
failure". The cause stands in its log lines alone: a listener that wants TLS, for one, just hangs up, which is no error.
"""

import re
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError

from holded_contracts import advice

NO_CONNECTION = frozenset(
    {
        KafkaError._TIMED_OUT,  # noqa: SLF001 -- librdkafka's local codes are spelt so
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._DESTROY,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
        KafkaError._AUTHENTICATION,  # noqa: SLF001
    }
)
"""Codes behind which a connection's own words may tell more."""

_FAILURE = re.compile(r"^FAIL \[.*?\] \[thrd:.*?\]: (?P<broker>\S+): (?P<said>.*)$", re.DOTALL)
_NOISE = re.compile(
    r"\s*\(after \d+ms in state .*\)$|error:[0-9A-F]+:|SSL routines::|SSL handshake failed: |"
    r": broker certificate could not be verified, .*?(?=\(after|$)|Connect to \S+ failed: |"
    # said by one of the two ways in which librdkafka meets the same end of a handshake
    r": connecting to a PLAINTEXT broker listener\?",
)
_REFUSED = re.compile(r"SASL .*(authentication error|handshake failed)")


class ConnectionLog:
    """A Kafka client's `logger` that keeps what its connections met last, and hands each line on."""

    def __init__(
        self,
        forward: Callable[[int, str], Any] | None = None,
        *,
        fields: advice.KafkaFields = advice.KAFKA_RESOURCE,
    ) -> None:
        """`fields` are the settings' names as the reader of a message has them."""
        self._forward = forward
        self._fields = fields
        self._met: str | None = None
        self._cause: str | None = None

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Take a line, with Python's level; called by librdkafka's client while it is polled."""
        line = text % arguments if arguments else text
        failure = _FAILURE.match(line)
        if failure is not None:
            cause = advice.joined(_NOISE.sub("", failure["said"]), advice.kafka(failure["said"], self._fields))
            # Another broker with the same fault is no news: a message must not change while the cause does not.
            if cause != self._cause:
                self._cause, self._met = cause, f"{failure['broker'].partition('/bootstrap')[0]}: {cause}"
        if self._forward is not None:
            self._forward(level, line)

    @property
    def refused(self) -> bool:
        """Whether the last fault was a broker's refusal to authenticate the client."""
        return self._cause is not None and _REFUSED.search(self._cause) is not None

    def clear(self) -> None:
        """Forget it: a request has succeeded."""
        self._cause = self._met = None

    def explain(self, error: KafkaError, poll: Callable[[float], Any] | None = None) -> str:
        """Return the cause of an error, and the field to correct where there is one.

        `poll` is the client's own, for one that nobody polls: its lines wait for that.
        """
        if poll is not None:
            poll(0)
        if error.code() in NO_CONNECTION and self._met is not None:
            return self._met
        return _NOISE.sub("", str(error.str()))
