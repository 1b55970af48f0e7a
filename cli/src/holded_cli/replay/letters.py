"""From a dead letter to the event that is sent again. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from holded_cli.mysql import Row
from holded_cli.replay.patches import Change, Patch, PatchError, apply, read, write
from holded_contracts import wire
from holded_contracts.identity import replay_event_id
from holded_contracts.topics import Artefact

type SchemaOf = Callable[[int], Any]
"""Returns the parsed writer schema of an id; raises holded_contracts.io.registry's errors."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- as MySQL has times, UTC
_CUT = "; payload cut from "
_HEADERS_WITH_COLUMN = {"type": "type", "targetSubscription": "target_subscription"}
_BESIDE = "event."


class NotReplayableError(ValueError):
    """There is no event to send again; the sentence says why."""


@dataclass(frozen=True)
class Letter:
    """One row of events_dead_letter, and of dead_letter_replays where it has one."""

    id: int
    identity: bytes
    event_id: bytes | None
    reason: str
    stage: str
    detail: str
    payload_kind: str
    payload: bytes
    type: str | None
    account_id: str | None
    source: str | None
    received_at: datetime | None
    """UTC, naive as MySQL returns it."""
    failed_at: datetime
    replay_state: str
    replay_payload: bytes | None
    """What an earlier run has stored to be sent; that is sent and nothing else."""


@dataclass(frozen=True)
class Replay:
    """An event that stands for a dead letter."""

    letter: Letter
    event_id: bytes
    fields: dict[str, Any]
    """Of raw.avsc."""
    changes: list[Change]
    stored: bool
    """True when an earlier run has stored the payload: patches then do nothing."""


def letter_of(row: Row) -> Letter:
    """Return the letter of a row that has these columns."""
    return Letter(**{name: row[name] for name in Letter.__dataclass_fields__})


def replay_of(letter: Letter, patches: Sequence[Patch], schema_of: SchemaOf, *, now: datetime) -> Replay:
    """Return what is sent for a letter.

    The event keeps the time and the source it was received with; its id is a new one that follows from the letter's.

    Raises
    ------
    NotReplayableError
        If the letter holds no event, or the patches do not fit it.
    """
    received_at = letter.received_at or now
    changes: list[Change] = []
    if letter.replay_payload is not None:
        payload = letter.replay_payload
    else:
        try:
            original = letter.payload if letter.payload_kind == "event" else _event_in(letter, schema_of)
            if _CUT in letter.detail:
                raise NotReplayableError("only a part of its payload was kept")
            payload, changes = apply(original, patches)
        except PatchError as error:
            raise NotReplayableError(str(error)) from error
    event_id = replay_event_id(letter.identity)
    fields = {
        "event_id": event_id,
        "received_at": (received_at - _EPOCH) // timedelta(microseconds=1),
        "type": _type_in(payload) or letter.type or "",
        "source": letter.source,
        "payload": payload,
    }
    return Replay(letter, event_id, fields, changes, stored=letter.replay_payload is not None)


def _type_in(payload: bytes) -> str | None:
    document = read(payload)
    headers = document.get("headers") if isinstance(document, dict) else None
    found = headers.get("type") if isinstance(headers, dict) else None
    return found if isinstance(found, str) else None


def _event_in(letter: Letter, schema_of: SchemaOf) -> bytes:
    """Return the JSON of the event in a whole Kafka record."""
    try:
        writer = schema_of(wire.split(letter.payload))
        name = str(writer.get("name")) if isinstance(writer, dict) else ""
        for artefact, open_record in ((Artefact.RAW, _of_raw), (Artefact.SILVER, _of_silver)):
            ours = wire.parsed_schema(artefact)
            if name == ours["name"]:
                return open_record(wire.decode(letter.payload, writer, ours))
    except wire.WireFormatError as error:
        raise NotReplayableError(f"the record cannot be read: {error}") from error
    raise NotReplayableError(f"the record holds no event but a {name.rpartition('.')[2] or 'schema without a name'}")


def _of_raw(fields: dict[str, Any]) -> bytes:
    payload: bytes = fields["payload"]
    return payload


def _of_silver(fields: dict[str, Any]) -> bytes:
    """Put the event together again: the worker keeps data and headers whole, some headers in columns of their own."""
    metadata = read(fields["metadata"].encode())
    headers = {name: fields[column] for name, column in _HEADERS_WITH_COLUMN.items() if fields[column] is not None}
    beside = {name.removeprefix(_BESIDE): value for name, value in metadata.items() if name.startswith(_BESIDE)}
    return write({"data": read(fields["data"].encode()), "headers": headers | metadata.get("headers", {}), **beside})
