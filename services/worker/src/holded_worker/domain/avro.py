"""Raw and silver records, read and written by hand.

fastavro takes three times as long for both: it asks for a dict on one side, and on the other it looks again for each
value at what the schema says. The tests hold both functions against fastavro and the registered schemas.
"""

import struct
from functools import lru_cache
from typing import Any, NamedTuple

from holded_contracts.identity import EVENT_ID_BYTES
from holded_contracts.wire import HEADER_SIZE, long_bytes

_DOUBLE = struct.Struct("<d")
_NULL, _VALUE = b"\x00", b"\x02"
_EVENT_ID_END = HEADER_SIZE + EVENT_ID_BYTES


class RawFields(NamedTuple):
    """Fields of raw.avsc."""

    event_id: bytes
    received_at: int
    type: str
    source: str | None
    payload: bytes


def read_raw(value: bytes) -> RawFields | None:
    """Return the fields of a record value written with our own version of raw.avsc.

    None when anything about it is odd: then fastavro decides whether it can be read, and says why not.
    """
    size = len(value)
    # Lengths are checked before they are used: compiled code fails on a slice that ends before it begins, and on a
    # place that no machine word holds.
    try:
        received_at, at = _read_long(value, _EVENT_ID_END)
        length, at = _read_long(value, at)
        if not 0 <= length <= size:
            return None
        end = at + length
        type_ = value[at:end].decode("utf-8")
        if value[end] == _NULL[0]:
            source, at = None, end + 1
        elif value[end] == _VALUE[0]:
            length, at = _read_long(value, end + 1)
            if not 0 <= length <= size:
                return None
            end = at + length
            source, at = value[at:end].decode("utf-8"), end
        else:
            return None
        length, at = _read_long(value, at)
    except (IndexError, UnicodeDecodeError):
        return None
    if length < 0 or at + length != size:
        return None
    return RawFields(value[HEADER_SIZE:_EVENT_ID_END], received_at, type_, source, value[at:])


def _read_long(value: bytes, at: int) -> tuple[int, int]:
    """Return a long and the place behind it."""
    byte = value[at]
    number, shift = byte & 0x7F, 7
    while byte > 0x7F:
        at += 1
        byte = value[at]
        number |= (byte & 0x7F) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), at + 1


def frame_silver(header: bytes, record: dict[str, Any]) -> bytes:
    """Return the Kafka value of a silver record (fields of silver.avsc) behind a wire header.

    Raises
    ------
    ValueError
        If the event id has a wrong length.
    """
    event_id, amount = record["event_id"], record["amount"]
    if len(event_id) != EVENT_ID_BYTES:
        raise ValueError(f"an event_id has {EVENT_ID_BYTES} bytes, not {len(event_id)}")
    data, metadata = record["data"].encode("utf-8"), record["metadata"].encode("utf-8")
    return b"".join(
        (
            header,
            event_id,
            _text(record["type"]),
            _text(record["domain"]),
            _text(record["entity"]),
            _text(record["action"]),
            _optional_text(record["account_id"]),
            _optional_text(record["user_id"]),
            _optional_text(record["target_subscription"]),
            _text(record["business_context"]),
            _DOUBLE.pack(record["quality_score"]),
            _NULL if amount is None else _VALUE + long_bytes(len(amount)) + amount,
            _optional_text(record["currency"]),
            long_bytes(record["occurred_at"]),
            long_bytes(record["received_at"]),
            long_bytes(record["processed_at"]),
            _optional_text(record["source"]),
            long_bytes(record["raw_partition"]),
            long_bytes(record["raw_offset"]),
            _text(record["pipeline_version"]),
            long_bytes(len(data)),
            data,
            long_bytes(len(metadata)),
            metadata,
        )
    )


@lru_cache(maxsize=16_384)  # of some hundred characters at most, and few but for accounts and users
def _text(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return long_bytes(len(encoded)) + encoded


@lru_cache(maxsize=16_384)
def _optional_text(text: str | None) -> bytes:
    return _NULL if text is None else _VALUE + _text(text)
