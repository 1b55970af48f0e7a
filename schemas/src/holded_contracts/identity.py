"""The identity of an event: 128 bits, the same for the same event however often it is sent."""

import hashlib
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from holded_contracts.literals import EXACT_DIGITS, LONG_RUN, digit_runs

DEFAULT_ID_HEADERS: tuple[str, ...] = ("X-Event-Id", "eventId", "event_id", "messageId")
"""Headers that are taken for the event's own id, in this order, when the resource names none."""

EVENT_ID_BYTES = 16

_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1
"""Integers that orjson keeps exactly; it makes others doubles."""


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
    name = id_header(headers, id_headers)
    if name is not None:
        return _from_header(event_type, str(headers[name]))
    return _digest(canonical_json(payload, document))


def id_header(headers: Mapping[str, Any], id_headers: Sequence[str]) -> str | None:
    """Return the name of the header that is the event's own id, None when its content is its identity."""
    for name in id_headers:
        value = headers.get(name)
        if (isinstance(value, str) and value) or (isinstance(value, int) and not isinstance(value, bool)):
            return name
    return None


def replay_event_id(identity: bytes) -> bytes:
    """Return the id under which a dead letter is sent again.

    Its own id stays taken: the same event sent once more by its sender is a duplicate of the dead letter. The new one
    follows from it, so a dead letter that is sent again twice is still one event.
    """
    return _digest(b"replay\0" + identity)


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
    if not _may_lose_digits(payload):
        try:
            return orjson.dumps(orjson.loads(payload) if document is None else document, option=orjson.OPT_SORT_KEYS)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            pass  # legal but rare: lone surrogates, numbers beyond a double; the slow way below decides
    return _slow_canonical_json(payload)


def _slow_canonical_json(payload: bytes) -> bytes:
    """Return what the fast way returns wherever that is exact, so that it makes no difference which one was taken."""
    try:
        exact = json.loads(payload, parse_float=_float, parse_int=_integer, parse_constant=_refuse_constant)
        try:
            return orjson.dumps(exact, option=orjson.OPT_SORT_KEYS, default=vars)
        except orjson.JSONEncodeError:  # lone surrogates
            return json.dumps(exact, sort_keys=True, separators=(",", ":"), default=vars).encode()
    except RecursionError as error:
        raise ValueError("JSON is nested too deep") from error


def _may_lose_digits(payload: bytes) -> bool:
    """Tell whether decoding could round a number: long runs of digits that are no integer of 64 bits.

    Such literals must be compared as text, or two events that differ in the last digit of a long number would get one
    identity, and one of them would be lost as a duplicate.
    """
    runs = digit_runs(payload)
    start = runs.find(LONG_RUN)
    while start >= 0:
        end = runs.find(b" ", start)
        literal = payload[start:end] if end >= 0 else payload[start:]
        integer = literal.isdigit() and payload[start + len(literal) : start + len(literal) + 1] not in (b"e", b"E")
        if not integer or len(literal) > 19 or int(literal) > -_MIN_INTEGER:
            return True
        start = runs.find(LONG_RUN, end) if end >= 0 else -1
    return False


class _Number:
    """A number as its literal: it is told from a string by being written as an object."""

    def __init__(self, literal: str) -> None:
        self.number = literal


def _integer(literal: str) -> int | _Number:
    if len(literal) <= 20 and _MIN_INTEGER <= int(literal) <= _MAX_INTEGER:
        return int(literal)
    return _Number(literal)


def _float(literal: str) -> float | _Number:
    mantissa = literal.lower().partition("e")[0]
    number = float(literal)
    exact = sum(map(str.isdigit, mantissa)) <= EXACT_DIGITS and math.isfinite(number)
    return number if exact else _Number(literal)


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _from_header(event_type: str, value: str) -> bytes:
    try:
        return uuid.UUID(value).bytes
    except ValueError:
        return _digest(json.dumps([event_type, value]).encode())


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=EVENT_ID_BYTES).digest()
