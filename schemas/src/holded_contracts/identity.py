"""The identity of an event: 128 bits, the same for the same event however often it is sent."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

DEFAULT_ID_HEADERS: tuple[str, ...] = ("X-Event-Id", "eventId", "event_id", "messageId")
"""Headers that are taken for the event's own id, in this order, when the resource names none."""

EVENT_ID_BYTES = 16

# A double holds 15 decimal digits for certain: longer literals must be compared as text, or two events that differ
# in the last digit of a long number would get one identity and one of them would be lost as a duplicate.
_LONG_NUMBER = re.compile(rb"[0-9][0-9.]{15,}")


def derive_event_id(payload: bytes, event_type: str, headers: Mapping[str, Any], id_headers: Sequence[str]) -> bytes:
    """Return the 16 bytes that identify an event.

    A UUID in an id header is the identity itself; another value is digested with the event's type, so that two
    sources that number their events from 1 do not collide by type. Without an id header it is the digest of the
    event's canonical JSON (sorted keys, no white space), so key order and spacing make no difference.
    """
    for name in id_headers:
        value = headers.get(name)
        if isinstance(value, str) and value:
            return _from_header(event_type, value)
        if isinstance(value, int) and not isinstance(value, bool):
            return _from_header(event_type, str(value))
    return _digest(canonical_json(payload))


def format_event_id(event_id: bytes) -> str:
    """Return the identity as people see it: a UUID in lower case."""
    return str(uuid.UUID(bytes=event_id))


def canonical_json(payload: bytes) -> bytes:
    """Return JSON with sorted keys and no white space, every number exact.

    Raises
    ------
    ValueError
        If the payload is not JSON.
    """
    if not _LONG_NUMBER.search(payload):
        try:
            return orjson.dumps(orjson.loads(payload), option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            pass  # legal but rare: lone surrogates, numbers beyond a double; the slow way below decides
    try:
        document = json.loads(payload, parse_float=_Number, parse_int=_Number)
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=vars)
    except RecursionError as error:
        raise ValueError("JSON is nested too deep") from error
    return text.encode()


class _Number:
    """A number as its literal: it is told from a string by being written as an object."""

    def __init__(self, literal: str) -> None:
        self.number = literal


def _from_header(event_type: str, value: str) -> bytes:
    try:
        return uuid.UUID(value).bytes
    except ValueError:
        return _digest(json.dumps([event_type, value]).encode())


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=EVENT_ID_BYTES).digest()
