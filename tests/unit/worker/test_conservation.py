"""Whatever lies in raw, each record ends in exactly one of silver, dead letters and duplicates, and can be written (G5)."""

import json
import re
from collections import Counter
from decimal import Decimal
from itertools import chain, pairwise

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from holded_contracts import wire
from holded_contracts.reasons import DeadLetterReason, Stage
from holded_contracts.topics import Artefact
from holded_worker.domain.process import MAX_RECORD_BYTES, process
from holded_worker.domain.records import RawRecord
from holded_worker.domain.sanitize import MAX_DEPTH, read_json
from holded_worker.embedded import EmbeddedRunner
from holded_worker.pipeline import Duplicate
from tests.unit.worker.hostile import VALUES_OF_RECORDS
from tests.unit.worker.samples import NOW, RAW_SCHEMA_ID, RULES, Schemas

SCHEMAS = {RAW_SCHEMA_ID: wire.parsed_schema(Artefact.RAW)}
MAX_KEY_BYTES = 65_535
"""Of an object in MySQL's JSON type."""
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
LENIENT = settings(
    deadline=None,
    phases=set(Phase) - {Phase.explain, Phase.shrink}, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
)  # fmt: skip


@pytest.fixture(scope="module")
def runner():
    return EmbeddedRunner(RULES)


def inner(value):
    """Return what an array or object holds."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def depth(value):
    return 1 + max(map(depth, inner(value)), default=0) if isinstance(value, (dict, list)) else 0


def keys(value):
    """Return all keys of a document."""
    return [*(value if isinstance(value, dict) else ()), *chain.from_iterable(map(keys, inner(value)))]


def texts(value):
    """Return all strings of a document that are no keys."""
    return [value] if isinstance(value, str) else list(chain.from_iterable(map(texts, inner(value))))


def check_silver(record):
    """What Kafka, Avro and MySQL ask of a silver record."""
    encoded = wire.encode(wire.frame(1), wire.parsed_schema(Artefact.SILVER), record)
    assert len(encoded) <= MAX_RECORD_BYTES
    for column in ("data", "metadata"):
        document = json.loads(record[column].encode("utf-8"))
        assert depth(document) <= MAX_DEPTH
        assert all(len(key.encode()) <= MAX_KEY_BYTES for key in keys(document)), column
        assert ILLEGAL.search("".join(texts(document) + keys(document))) is None
    text, _, notes = read_json(record["data"].encode("utf-8"), RULES.max_string_length)
    assert (text, notes) == (record["data"].encode("utf-8"), []), "nothing is left to sanitize"
    assert isinstance(json.loads(record["data"]), dict)
    assert 0 <= record["quality_score"] <= 1
    if record["amount"] is not None:
        assert abs(wire.decimal_from_bytes(record["amount"])) < Decimal(10) ** 16


def check_dead(letter):
    """What Kafka and the reader of a dead letter ask of it."""
    assert len(wire.encode(wire.frame(1), wire.parsed_schema(Artefact.DEAD_LETTER), letter)) <= MAX_RECORD_BYTES
    assert DeadLetterReason(letter["reason"]) is not DeadLetterReason.STORAGE_REFUSED
    assert letter["stage"] == Stage.WORKER
    assert letter["detail"]


@settings(LENIENT, max_examples=300)
@given(VALUES_OF_RECORDS)
def test_any_record_is_silver_or_a_dead_letter_with_its_bytes(value):
    record = RawRecord("events.raw", 3, 7, value)
    outcome = process(record, Schemas(), RULES, NOW)
    assert (outcome.silver is None) != (outcome.dead is None)
    assert process(record, Schemas(), RULES, NOW) == outcome, "the same record has the same fate"
    if outcome.silver is not None:
        event("silver")
        check_silver(outcome.silver)
    elif outcome.dead is not None:
        event(outcome.dead["reason"])
        check_dead(outcome.dead)
        original = value or b""
        if outcome.dead["payload_kind"] == "event":
            fields = wire.decode(original, wire.parsed_schema(Artefact.RAW), None)
            original = fields["payload"]
            assert outcome.dead["event_id"] == fields["event_id"]
        kept = outcome.dead["payload"]
        assert kept == original or (original.startswith(kept) and "payload cut from" in outcome.dead["detail"])


@settings(LENIENT, max_examples=30)
@given(st.lists(VALUES_OF_RECORDS, max_size=25), st.sets(st.integers(1, 24)))
def test_any_partition_is_conserved_however_it_is_cut_into_batches(runner, values, cuts):
    """The Beam pipeline, batch by batch, against the plain functions and the first of each id in silver."""
    records = [RawRecord("events.raw", 0, offset, value) for offset, value in enumerate(values)]
    bounds = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    known: set[bytes] = set()
    silver, dead, duplicates = [], [], []
    for start, end in pairwise(bounds):
        result = runner.run({0: records[start:end]}, {0: frozenset(known)}, SCHEMAS)
        assert result.count(0) == end - start
        silver += result.silver.get(0, [])
        dead += result.dead.get(0, [])
        duplicates += result.duplicates.get(0, [])
        known |= {record["event_id"] for record in result.silver.get(0, [])}

    expected_silver, expected_dead, expected_duplicates = [], [], []
    seen: set[bytes] = set()
    for record in records:
        outcome = process(record, Schemas(), RULES, 0)
        if outcome.dead is not None:
            expected_dead.append(outcome.dead)
        elif outcome.silver is not None and outcome.silver["event_id"] in seen:
            expected_duplicates.append(Duplicate(outcome.silver["event_id"], record.offset))
        elif outcome.silver is not None:
            seen.add(outcome.silver["event_id"])
            expected_silver.append(outcome.silver)
    assert [{**record, "processed_at": 0} for record in silver] == expected_silver
    assert [{**letter, "failed_at": 0} for letter in dead] == expected_dead
    assert duplicates == expected_duplicates
    offsets = [record["raw_offset"] for record in silver] + [letter["offset"] for letter in dead]
    assert max(Counter(offsets).values(), default=0) <= 1
    assert len(offsets) + len(duplicates) == len(records)
