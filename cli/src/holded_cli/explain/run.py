"""Sending the events of a file through the code of collector and worker, in this process."""

from typing import Any, NamedTuple

from holded_cli.explain.source import Setup
from holded_cli.explain.steps import Steps, trace
from holded_collector.jsontext import parse
from holded_collector.refusal import Refusal
from holded_collector.validation import AcceptedEvent, FieldProblem, judge
from holded_contracts import wire
from holded_contracts.identity import id_header
from holded_contracts.topics import DEFAULT_TOPICS, Artefact
from holded_worker.domain.records import DeadLetter, RawRecord, SilverRecord
from holded_worker.embedded import EmbeddedRunner

_SCHEMA_ID = 1
_PARTITION = 0


class Accepted(NamedTuple):
    """An event that the collector takes, and what the worker makes of it: exactly one of the last three is there."""

    type: str
    event_id: bytes
    id_header: str | None
    """The header that is the identity; None when it is the digest of the content."""
    steps: Steps | None
    """None when validation refuses the event."""
    silver: SilverRecord | None
    dead: DeadLetter | None
    duplicate_of: int | None
    """Index of the event in the file that has the same identity and is in silver."""


class Rejected(NamedTuple):
    """An event that the collector does not take."""

    problems: tuple[FieldProblem, ...]


def explain(payloads: list[bytes], setup: Setup, received_at: int) -> list[Accepted | Rejected]:
    """Return what becomes of each event, in order; `received_at` in microseconds.

    The collector judges each event; what it accepts is written as a raw record, at the offset of its place in the file,
    and runs through the worker's pipeline as one batch.
    """
    judged = [_judge(payload, setup) for payload in payloads]
    records = {
        index: _raw_record(index, event, received_at)
        for index, event in enumerate(judged)
        if isinstance(event, AcceptedEvent)
    }
    raw_schema = wire.parsed_schema(Artefact.RAW)
    known: dict[int, set[bytes]] = {_PARTITION: set()} if setup.deduplicates else {}
    result = EmbeddedRunner(setup.rules).run({_PARTITION: list(records.values())}, known, {_SCHEMA_ID: raw_schema})
    silver = {record["raw_offset"]: record for record in result.silver.get(_PARTITION, [])}
    dead = {letter["offset"]: letter for letter in result.dead.get(_PARTITION, [])}
    first = {record["event_id"]: index for index, record in silver.items()}

    def accepted(index: int, event: AcceptedEvent) -> Accepted:
        is_duplicate = index not in silver and index not in dead
        return Accepted(
            type=event.type,
            event_id=event.event_id,
            id_header=id_header(parse(event.payload)["headers"], setup.id_headers),
            steps=trace(records[index], raw_schema, setup.rules),
            silver=silver.get(index),
            dead=dead.get(index),
            duplicate_of=first[event.event_id] if is_duplicate else None,
        )

    return [accepted(index, event) if isinstance(event, AcceptedEvent) else event for index, event in enumerate(judged)]


def _judge(payload: bytes, setup: Setup) -> AcceptedEvent | Rejected:
    try:
        judgement = judge(b"[" + payload + b"]", setup.limits, setup.id_headers)
    except Refusal as refusal:
        return Rejected((FieldProblem("", refusal.detail),))
    if len(judgement.accepted) + len(judgement.rejected) != 1:
        return Rejected((FieldProblem("", "one JSON value is expected for each event"),))
    return judgement.accepted[0] if judgement.accepted else Rejected(tuple(judgement.rejected[0]))


def _raw_record(index: int, event: AcceptedEvent, received_at: int) -> RawRecord:
    fields: dict[str, Any] = {
        "event_id": event.event_id,
        "received_at": received_at,
        "type": event.type,
        "source": None,
        "payload": event.payload,
    }
    value = wire.encode(wire.frame(_SCHEMA_ID), wire.parsed_schema(Artefact.RAW), fields)
    return RawRecord(DEFAULT_TOPICS[Artefact.RAW], _PARTITION, index, value)
