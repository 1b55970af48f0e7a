"""A record becomes exactly one silver record or dead letter, and both say all that is known."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holded_contracts import wire
from holded_contracts.reasons import DeadLetterReason
from holded_contracts.settings import QualityWeights
from holded_contracts.topics import Artefact
from holded_worker.domain.process import MAX_RECORD_BYTES, process, process_event
from holded_worker.domain.records import RawRecord
from tests.unit.worker.samples import NOW, RAW_SCHEMA_ID, RULES, STAMP, TYPE, Schemas, event, raw_event, raw_record


def silver(payload, rules=RULES, **changes):
    outcome = process_event(raw_event(payload, **changes), rules, NOW)
    assert outcome.dead is None, outcome.dead
    assert outcome.silver is not None
    wire.encode(wire.frame(1), wire.parsed_schema(Artefact.SILVER), outcome.silver)
    return outcome.silver


def dead(payload, **changes):
    outcome = process_event(raw_event(payload, **changes), RULES, NOW)
    assert outcome.silver is None
    assert outcome.dead is not None
    wire.encode(wire.frame(1), wire.parsed_schema(Artefact.DEAD_LETTER), outcome.dead)
    return outcome.dead


def test_a_valid_event_becomes_silver():
    record = silver(event({"id": "t1", "amount": 12.5, "currency": "EUR", "occurredAt": "2026-05-01T00:00:00Z"}))
    metadata = json.loads(record.pop("metadata"))
    assert record == {
        "event_id": b"e" * 16,
        "type": TYPE,
        "domain": "Wallet",
        "entity": "Transaction",
        "action": "created",
        "account_id": "acc",
        "user_id": "usr",
        "target_subscription": "Wallet",
        "business_context": "financial_operations",
        "quality_score": 0.9,
        "amount": wire.decimal_to_bytes(Decimal("12.5")),
        "currency": "EUR",
        "occurred_at": 1_777_593_600_000_000,
        "received_at": NOW - 1_000_000,
        "processed_at": NOW,
        "source": "key-1",
        "raw_partition": 2,
        "raw_offset": 41,
        "pipeline_version": "test-1",
        "data": '{"id": "t1", "amount": 12.5, "currency": "EUR", "occurredAt": "2026-05-01T00:00:00Z"}',
    }
    assert metadata["headers"] == {STAMP: {"accountId": "acc", "userId": "usr"}}
    assert metadata["occurred_at_source"] == "data.occurredAt"
    assert metadata["lag_ms"] == (record["received_at"] - record["occurred_at"]) // 1000
    assert metadata["quality"]["timeliness"] == {
        "within_5_minutes": False,
        "within_1_hour": False,
        "within_1_day": False,
    }
    assert "sanitized" not in metadata


def test_metadata_keeps_headers_digits_and_other_members():
    text = json.dumps(event(traceLevel=1)).replace('"traceLevel": 1', '"traceLevel": 1.500000000000000000001')
    text = text[:-1] + ', "sequence": 18446744073709551615}'
    metadata = silver(text.encode())["metadata"]
    assert '"traceLevel":1.500000000000000000001' in metadata
    assert '"event.sequence":18446744073709551615' in metadata


def test_of_members_of_one_name_the_last_counts():
    text = (
        json.dumps(event())
        .replace('"headers":', '"headers": 5, "headers":')
        .replace('"amount":', '"amount": 1, "amount":')
    )
    record = silver(text.encode())
    assert record["account_id"] == "acc"
    assert record["amount"] == wire.decimal_to_bytes(Decimal("12.5"))


def test_no_key_of_metadata_is_longer_than_mysql_takes():
    long = "\N{GRINNING FACE}" * 20_000
    record = silver({**event(**{long: 1}), long: 2})
    metadata = json.loads(record["metadata"])
    assert max(len(key.encode()) for key in [*metadata, *metadata["headers"]]) <= 65_535
    assert [key[:6] for key in metadata].count("event.") == 1


def test_every_check_of_the_score_is_kept():
    bare = silver({"data": {}, "headers": {"type": TYPE}})
    quality = json.loads(bare["metadata"])["quality"]
    assert quality["completeness"] == {
        "has_account": False,
        "has_user": False,
        "has_subscription": False,
        "has_entity_id": False,
        "has_event_time": False,
    }
    assert quality["validity"]["data_not_empty"] is False
    # 0.4 * 0/5 + 0.3 * 3/4 + 0.2 * 3/3 + 0.1 * 3/3
    assert bare["quality_score"] == 0.525


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (QualityWeights(completeness=1, validity=0, consistency=0, timeliness=0), 0.0),
        (QualityWeights(completeness=0, validity=0, consistency=2, timeliness=2), 1.0),
        (QualityWeights(completeness=0, validity=0, consistency=0, timeliness=0), 0.6875),
    ],
)
def test_weights_decide_the_score(weights, expected):
    record = silver({"data": {}, "headers": {"type": TYPE}}, RULES._replace(weights=weights))
    assert record["quality_score"] == expected


def test_numeric_account_ids_are_text_in_silver():
    record = silver(event(**{STAMP: {"accountId": 42, "userId": None}}))
    assert (record["account_id"], record["user_id"]) == ("42", None)


@pytest.mark.parametrize(
    ("payload", "reason", "paths"),
    [
        (b"nonsense", DeadLetterReason.INVALID_JSON, ["event"]),
        (b'"\xff"', DeadLetterReason.INVALID_JSON, ["event"]),
        (b'{"data": NaN, "headers": {}}', DeadLetterReason.INVALID_JSON, ["event"]),
        (b"[" * 200, DeadLetterReason.TOO_DEEP, ["event"]),
        (b"[]", DeadLetterReason.INVALID_ENVELOPE, ["event"]),
        (b"{}", DeadLetterReason.INVALID_ENVELOPE, ["data", "headers"]),
        ({"data": [], "headers": {"type": 1}}, DeadLetterReason.INVALID_ENVELOPE, ["data", "headers.type"]),
        ({"data": {}, "headers": {}}, DeadLetterReason.INVALID_TYPE, ["headers.type"]),
        (event(type="Other"), DeadLetterReason.INVALID_TYPE, ["headers.type"]),
        (event(**{STAMP: "text"}), DeadLetterReason.INVALID_FIELD, [f"headers.{STAMP}"]),
        (
            event(**{STAMP: {"accountId": [], "userId": True}, "targetSubscription": {}}),
            DeadLetterReason.INVALID_FIELD,
            ["headers.targetSubscription", f"headers.{STAMP}.accountId", f"headers.{STAMP}.userId"],
        ),
        (event(**{STAMP: {"accountId": "a" * 256}}), DeadLetterReason.INVALID_FIELD, [f"headers.{STAMP}.accountId"]),
        (event({"blob": ["x" * 60_000] * 20}), DeadLetterReason.TOO_LARGE, ["event"]),
    ],
)
def test_refusals_name_reason_and_every_path(payload, reason, paths):
    letter = dead(payload)
    assert letter["reason"] == reason
    assert [problem.split(": ")[0] for problem in letter["detail"].split("; ")][: len(paths)] == paths
    assert letter["stage"] == "worker"
    assert letter["event_id"] == b"e" * 16
    assert (letter["topic"], letter["partition"], letter["offset"]) == ("events.raw", 2, 41)
    assert letter["schema_id"] == RAW_SCHEMA_ID
    assert letter["payload_kind"] == "event"
    sent = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    assert sent.startswith(letter["payload"])
    assert len(letter["payload"]) == len(sent) or "payload cut" in letter["detail"]
    assert letter["source"] == "key-1"


def test_a_receipt_time_that_cannot_be_is_refused_and_not_kept():
    letter = dead(event(), received_at=2**62)
    assert letter["reason"] == DeadLetterReason.INVALID_FIELD
    assert letter["received_at"] is None


@pytest.mark.parametrize(
    ("value", "schema_id"),
    [
        (None, None),
        (b"", None),
        (b"\x01abcdefgh", None),
        (wire.frame(99) + b"abc", 99),
        (wire.frame(2**31) + b"abc", None),
        (wire.frame(RAW_SCHEMA_ID), RAW_SCHEMA_ID),
        ((raw_record(event()).value or b"")[:-3], RAW_SCHEMA_ID),
        ((raw_record(event()).value or b"") + b"x", RAW_SCHEMA_ID),
    ],
)
def test_unreadable_records_keep_their_bytes(value, schema_id):
    outcome = process(RawRecord("events.raw", 1, 5, value), Schemas(), RULES, NOW)
    assert outcome.silver is None
    assert outcome.dead is not None
    wire.encode(wire.frame(1), wire.parsed_schema(Artefact.DEAD_LETTER), outcome.dead)
    assert outcome.dead["reason"] == DeadLetterReason.UNREADABLE_RECORD
    assert outcome.dead["payload_kind"] == "record"
    assert outcome.dead["payload"] == (value or b"")
    assert outcome.dead["schema_id"] == schema_id
    assert outcome.dead["event_id"] is None


def test_a_dead_letter_never_exceeds_what_kafka_takes():
    letter = dead(b"\xff" * 2_000_000)
    assert len(wire.encode(wire.frame(1), wire.parsed_schema(Artefact.DEAD_LETTER), letter)) <= MAX_RECORD_BYTES
    assert "payload cut from 2000000" in letter["detail"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DATA = st.dictionaries(
    st.sampled_from(["id", "amount", "currency", "occurredAt", "date", "total", "x", "\0"]) | st.text(max_size=5), JSON
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just(TYPE) | JSON,
        "targetSubscription": st.text() | JSON,
        STAMP: st.fixed_dictionaries({"accountId": JSON, "userId": JSON}) | JSON,
        "X-Message-Stamp-ContextStamp": JSON,
        "timestamp": JSON,
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=300)
@given(st.fixed_dictionaries({}, optional={"data": DATA | JSON, "headers": HEADERS | JSON, "more": JSON}) | JSON)
def test_any_json_lands_in_exactly_one_output(document):
    outcome = process_event(raw_event(json.dumps(document).encode()), RULES, NOW)
    assert (outcome.silver is None) != (outcome.dead is None)
    if outcome.silver is not None:
        wire.encode(wire.frame(1), wire.parsed_schema(Artefact.SILVER), outcome.silver)
        metadata = json.loads(outcome.silver["metadata"])
        if "sanitized" not in metadata:
            assert json.loads(outcome.silver["data"], parse_float=Decimal) == json.loads(
                json.dumps(document["data"]), parse_float=Decimal
            )
        assert 0 <= outcome.silver["quality_score"] <= 1
    elif outcome.dead is not None:
        wire.encode(wire.frame(1), wire.parsed_schema(Artefact.DEAD_LETTER), outcome.dead)
