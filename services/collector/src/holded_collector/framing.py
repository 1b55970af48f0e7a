"""Raw records, framed by hand.

The field order is fixed and most fields are copied as they are, so building a dict for fastavro would cost several
times the framing itself. The tests hold this against `wire.encode` and the registered schema.
"""

from functools import lru_cache

from holded_contracts.identity import EVENT_ID_BYTES
from holded_contracts.wire import long_bytes


class RawFramer:
    """Frames the events of one request: what they have in common is encoded once."""

    def __init__(self, header: bytes, *, received_at: int, source: str | None) -> None:
        """Take the wire header (`wire.frame(schema_id)`) and the time in microseconds since the epoch."""
        self._header = header
        self._received_at = long_bytes(received_at)
        self._source = b"\x00" if source is None else b"\x02" + _text(source)

    def frame(self, *, event_id: bytes, type_: str, payload: bytes) -> bytes:
        """Return the Confluent wire format of a RawEvent."""
        if len(event_id) != EVENT_ID_BYTES:
            raise ValueError(f"an event_id has {EVENT_ID_BYTES} bytes, not {len(event_id)}")
        return b"".join(
            (self._header, event_id, self._received_at, _text(type_), self._source, long_bytes(len(payload)), payload)
        )


@lru_cache(maxsize=1024)
def _text(text: str) -> bytes:
    """Types and sources are few and come again; one has at most some hundred characters."""
    encoded = text.encode()
    return long_bytes(len(encoded)) + encoded
