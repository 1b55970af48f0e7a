"""The events that are sent: cut out of a file byte for byte, or generated. Pure.

A generated event is a template with an id of its own set in, so that making one costs a fraction of sending it.
The seed decides every byte: the same seed, types and shares give the same events.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from hashlib import blake2b
from random import Random
from typing import Any, NamedTuple

import msgspec

from holded_cli.sample_events import EVENT_TYPES, EventType
from holded_cli.samples import (
    DEAD_LETTER_FAULTS,
    ID_HEADER,
    REJECTED_FAULTS,
    Fault,
    Kind,
    Sample,
    copy_of,
    fault,
    gold,
    tenants_of,
)
from holded_cli.send.mixture import Shares

GOLD_TEMPLATES = 660
"""A multiple of the 33 types and of the periods of most specialities, and made within a fraction of a second."""
DUPLICATE_WINDOW = 10_000
"""A duplicate copies one of so many gold events before it."""

_ID = "@id@"

type _Template = tuple[bytes, ...]
"""An event's JSON, cut where its id belongs."""


class InputError(Exception):
    """The file is not a JSON array, or no event type has the name asked for."""


class Outgoing(NamedTuple):
    """One event as it is sent."""

    payload: bytes
    kind: Kind | None
    """What must become of it; None where it came from a file."""


class _Headers(msgspec.Struct):
    type: str


class _Event(msgspec.Struct):
    headers: _Headers


_decode_event = msgspec.json.Decoder(_Event).decode


def split_array(document: bytes) -> list[Outgoing]:
    """Return the elements of a JSON array, each with the bytes it has in the document.

    Raises
    ------
    InputError
        If the document is not a JSON array.
    """
    try:
        return [Outgoing(bytes(element), None) for element in msgspec.json.decode(document, type=list[msgspec.Raw])]
    except msgspec.DecodeError as error:
        raise InputError(f"expected a JSON array of events: {error}") from error


def type_of(payload: bytes) -> str | None:
    """Return headers.type of an event, None where it has none."""
    try:
        return _decode_event(payload).headers.type
    except (msgspec.DecodeError, ValueError):
        return _type_by_stdlib(payload)


def _type_by_stdlib(payload: bytes) -> str | None:
    # Legal JSON that a strict parser refuses, a lone surrogate or a number beyond a double: the collector takes it.
    try:
        found = json.loads(payload)["headers"]["type"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def select_types(patterns: Sequence[str]) -> tuple[EventType, ...]:
    """Return the event types that match one of the globs over `Context/Name`; a glob without `/` is for the context.

    No pattern means every type.

    Raises
    ------
    InputError
        If a pattern matches nothing.
    """
    globs = [pattern if "/" in pattern else f"{pattern}/*" for pattern in patterns]
    for pattern, glob in zip(patterns, globs, strict=True):
        if not any(fnmatchcase(_short_name(item), glob) for item in EVENT_TYPES):
            names = ", ".join(map(_short_name, EVENT_TYPES))
            raise InputError(f"no event type matches {pattern}; there are {names}")
    chosen = (item for item in EVENT_TYPES if any(fnmatchcase(_short_name(item), glob) for glob in globs))
    return tuple(chosen) if globs else EVENT_TYPES


class Generator:
    """Makes Holded events of these types; every id in them follows from the seed."""

    def __init__(self, seed: int, types: Sequence[EventType] = EVENT_TYPES) -> None:
        self._seed = seed
        random = Random(seed)  # noqa: S311 -- reproducible events, nothing secret
        tenants = tenants_of(random)
        golds = [gold(random, tenants, number, types) for number in range(GOLD_TEMPLATES)]
        for sample in golds:
            _mark(sample.event)
        self._gold = [_template(sample.event) for sample in golds]
        self._copies = [_copies(sample) for sample in golds]

        def faulty(kind: Kind, faults: tuple[Fault, ...]) -> list[_Template]:
            number_and_fault = ((n, wrong) for n in range(len(types)) for wrong in faults)
            return [
                _template(_mark(fault(random, tenants, kind, wrong, n, types=types).event))
                for n, wrong in number_and_fault
            ]

        self._faulty = {
            Kind.REJECTED: faulty(Kind.REJECTED, REJECTED_FAULTS),
            Kind.DEAD_LETTER: faulty(Kind.DEAD_LETTER, DEAD_LETTER_FAULTS),
        }

    def events(self, shares: Shares, total: int | None) -> Iterator[Outgoing]:
        """Return an iterator over `total` events, or over events without end; duplicates follow their originals.

        Raises
        ------
        MixtureError
            If there would be duplicates of nothing.
        """
        return self._events(shares.kinds(self._seed, total))

    def _events(self, kinds: Iterator[Kind]) -> Iterator[Outgoing]:
        made = dict.fromkeys(Kind, 0)
        originals = Random(f"{self._seed}:originals")  # noqa: S311 -- reproducible events, nothing secret
        for kind in kinds:
            number = made[kind]
            made[kind] += 1
            match kind:
                case Kind.GOLD:
                    payload = self._render(self._gold, kind, number)
                case Kind.DUPLICATE:
                    golds = made[Kind.GOLD]
                    original = originals.randrange(max(0, golds - DUPLICATE_WINDOW), golds)
                    copies = self._copies[original % GOLD_TEMPLATES]
                    payload = self._id(Kind.GOLD, original).join(copies[number % len(copies)])
                case _:
                    payload = self._render(self._faulty[kind], kind, number)
            yield Outgoing(payload, kind)

    def _render(self, templates: list[_Template], kind: Kind, number: int) -> bytes:
        return self._id(kind, number).join(templates[number % len(templates)])

    def _id(self, kind: Kind, number: int) -> bytes:
        digest = blake2b(f"{self._seed}:{kind}:{number}".encode(), digest_size=16).digest()
        return str(uuid.UUID(bytes=digest, version=4)).encode()


def _short_name(event_type: EventType) -> str:
    return f"{event_type.context}/{event_type.name}"


def _mark(event: Any) -> Any:
    """Put the placeholder where an event has an id; a fault may have left no place for one."""
    if isinstance(event, dict):
        data, headers = event.get("data"), event.get("headers")
        if isinstance(data, dict):
            data["id"] = _ID
        if isinstance(headers, dict) and ID_HEADER in headers:
            headers[ID_HEADER] = _ID
    return event


def _copies(original: Sample) -> tuple[_Template, ...]:
    return tuple(_template(copy_of(original, reordered=reordered).event) for reordered in (False, True))


def _template(event: Any) -> _Template:
    return tuple(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode().split(_ID.encode()))
