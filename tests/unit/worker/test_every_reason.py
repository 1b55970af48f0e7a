"""One dead letter of every reason, made by the pipeline and told in the guide."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from holded_contracts import wire
from holded_contracts.reasons import DeadLetterReason, Stage
from holded_contracts.topics import Artefact
from holded_sink.batch import Batch, Decoded, Position, Record, Source
from holded_sink.prepare import prepare
from holded_worker import pipeline
from holded_worker.domain.records import RawRecord
from holded_worker.embedded import EmbeddedRunner
from tests.unit.worker.samples import RAW_SCHEMA_ID, RULES, TYPE, event, raw_record

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "dead-letters.md"
SCHEMAS = {RAW_SCHEMA_ID: wire.parsed_schema(Artefact.RAW)}

EXAMPLES: dict[DeadLetterReason, tuple[str, RawRecord]] = {
    DeadLetterReason.UNREADABLE_RECORD: ("JSON instead of Avro", RawRecord("events.raw", 0, 0, json.dumps(event()).encode())),
    DeadLetterReason.INVALID_JSON: ('`{"data": {"amount": NaN}, …`', raw_record(b'{"data": {"amount": NaN}, "headers": {}}')),
    DeadLetterReason.INVALID_ENVELOPE: ('`{"data": [], "headers": {}}`', raw_record({"data": [], "headers": {}})),
    DeadLetterReason.INVALID_TYPE: ('`"type": "wallet.created"`', raw_record(event(type="wallet.created"))),
    DeadLetterReason.INVALID_FIELD: ('`"targetSubscription": 7`', raw_record(event(targetSubscription=7))),
    DeadLetterReason.TOO_DEEP: ("101 arrays in one another", raw_record(b"[" * 101 + b"]" * 101)),
    DeadLetterReason.TOO_LARGE: ("20 strings of 60,000 characters", raw_record(event({"notes": ["x" * 60_000] * 20}))),
    DeadLetterReason.PROCESSING_ERROR: ("any event, while a step has a bug", raw_record(event())),
    DeadLetterReason.STORAGE_REFUSED: ("a silver record with a value wider than its column", raw_record(event())),
}  # fmt: skip
"""What each record is, in the words of the guide, and the record."""


def buggy(*_):
    raise KeyError("total")


def letter_of(reason):
    """Return reason, stage and detail of the dead letter that pipeline and sink make of the example."""
    # The sink refuses what the worker let through: here a version too long for its column.
    rules = RULES._replace(version="v" * 200) if reason is DeadLetterReason.STORAGE_REFUSED else RULES
    result = EmbeddedRunner(rules).run({0: [EXAMPLES[reason][1]]}, {0: set()}, SCHEMAS)
    if not result.silver:
        ((letter,),) = result.dead.values()
        return letter["reason"], letter["stage"], letter["detail"]
    ((record,),) = result.silver.values()
    source = Source("topic-id", 0, "events.silver", Artefact.SILVER)
    schema = wire.parsed_schema(Artefact.SILVER)
    value = wire.encode(wire.frame(1), schema, record)
    decoded = Decoded(Record(source, 0, record["event_id"], value), wire.decode(value, schema, None))
    batch = Batch([decoded], {source: Position(0, 0)})
    prepared = prepare(batch, refused={}, now=datetime(2026, 11, 20), pipeline_version="v")  # noqa: DTZ001 -- UTC, as MySQL keeps it
    (refused,) = prepared.letters
    assert prepared.events == []
    return refused.reason, *refused.values[3:5]


@pytest.mark.parametrize("reason", DeadLetterReason)
def test_each_reason_has_an_event_that_makes_it_and_is_shown_in_the_guide(reason, monkeypatch):
    assert reason in EXAMPLES, f"add an event that ends as {reason}, here and in {PAGE.name}"
    if reason is DeadLetterReason.PROCESSING_ERROR:
        monkeypatch.setattr(pipeline, "enrich_event", buggy)
    found, stage, detail = letter_of(reason)
    assert found == reason
    assert stage == (Stage.SINK if reason is DeadLetterReason.STORAGE_REFUSED else Stage.WORKER)
    assert f"| {EXAMPLES[reason][0]} | `{reason}` | {detail} |" in PAGE.read_text("utf-8").splitlines()


def test_the_examples_would_be_silver_but_for_what_is_wrong_with_them():
    assert EmbeddedRunner(RULES).run({0: [raw_record(event(type=TYPE))]}, {0: set()}, SCHEMAS).dead == {}
