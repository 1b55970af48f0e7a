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
# What the pattern can match has this run after translation. Looking for it takes a tenth of the pattern's time, and
# nearly no event has one, so the pattern, which alone decides, is seldom asked.
_DIGITS_AND_DOT = bytes(ord("0") if byte in b"0123456789." else ord(" ") for byte in range(256))
_LONG_RUN = b"0" * 16


def derive_event_id(
    payload: bytes,
    event_type: str,
    headers: Mapping[str, Any],
    id_headers: Sequence[str],
    *,
    document: dict[str, Any] | None = None,
) -> bytes:
    """Return the 16 bytes that identify an event.

    A UUID in an id header is the identity itself; another value is digested with the event's type, so that two
    sources that number their events from 1 do not collide by type. Without an id header it is the digest of the
    event's canonical JSON (sorted keys, no white space), so key order and spacing make no difference.

    document, if given, is what `orjson.loads(payload)` returned, unchanged: the payload is then not decoded again. The
    identity is the same with it and without.
    """
    for name in id_headers:
        value = headers.get(name)
        if isinstance(value, str) and value:
            return _from_header(event_type, value)
        if isinstance(value, int) and not isinstance(value, bool):
            return _from_header(event_type, str(value))
    return _digest(canonical_json(payload, document))


def format_event_id(event_id: bytes) -> str:
    """Return the identity as people see it: a UUID in lower case."""
    text = event_id.hex()  # by hand: uuid.UUID takes three times as long, and every answer has one for each event
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def canonical_json(payload: bytes, document: dict[str, Any] | None = None) -> bytes:
    """Return JSON with sorted keys and no white space, every number exact; for document see `derive_event_id`.

    Raises
    ------
    ValueError
        If the payload is not JSON.
    """
    if not _has_long_number(payload):
        try:
            return orjson.dumps(orjson.loads(payload) if document is None else document, option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            pass  # legal but rare: lone surrogates, numbers beyond a double; the slow way below decides
    try:
        exact = json.loads(payload, parse_float=_Number, parse_int=_Number)
        text = json.dumps(exact, sort_keys=True, separators=(",", ":"), default=vars)
    except RecursionError as error:
        raise ValueError("JSON is nested too deep") from error
    return text.encode()


def _has_long_number(payload: bytes) -> bool:
    return _LONG_RUN in payload.translate(_DIGITS_AND_DOT) and _LONG_NUMBER.search(payload) is not None


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
