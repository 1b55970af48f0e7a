# ruff: noqa: DTZ001 -- as in MySQL, whose DATETIME has no zone; all are UTC
import hashlib
from datetime import date, datetime
from decimal import Decimal

import pytest

from holded_contracts.reasons import DeadLetterReason
from holded_contracts.topics import Artefact
from holded_contracts.wire import decimal_to_bytes
from holded_sink.batch import Batch, Decoded, Position, Record, Refusal, Source
from holded_sink.prepare import count, prepare
from holded_sink.rows import RefusedFieldError, event_row, scaled

SILVER = Source("silver-id", 0, "silver", Artefact.SILVER)
DEAD = Source("dead-id", 0, "dead", Artefact.DEAD_LETTER)
ANALYTICS = Source("analytics-id", 0, "analytics", Artefact.ANALYTICS)
NOW = datetime(2026, 11, 23, 12)
NOON = 1_795_435_200_000_000  # 2026-11-23 12:00 UTC


def event_id(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=16).digest()


def silver(number: int, **changes: object) -> dict:
    return {
        "event_id": event_id(number),
        "type": "T",
        "domain": "Wallet",
        "entity": "Transaction",
        "action": "created",
        "account_id": "company-1",
        "user_id": None,
        "target_subscription": None,
        "business_context": "other",
        "quality_score": 0.97,
        "amount": decimal_to_bytes(Decimal("100.5")),
        "currency": "EUR",
        "occurred_at": NOON,
        "received_at": NOON,
        "processed_at": NOON,
        "source": None,
        "raw_partition": 0,
        "raw_offset": number,
        "pipeline_version": "test",
        "data": "{}",
        "metadata": "{}",
    } | changes


def letter(number: int | None, **changes: object) -> dict:
    return {
        "event_id": None if number is None else event_id(number),
        "reason": "invalid_json",
        "stage": "worker",
        "detail": "not JSON",
        "topic": "raw",
        "partition": 2,
        "offset": 7,
        "schema_id": 1,
        "payload_kind": "event",
        "payload": b"{",
        "type": None,
        "account_id": None,
        "source": None,
        "received_at": NOON,
        "failed_at": NOON,
        "pipeline_version": "test",
    } | changes


def decoded(source: Source, offset: int, fields: dict, key: bytes | None = None, **more) -> Decoded:
    return Decoded(Record(source, offset, key, b"value"), fields, **more)


def batch(*items: Decoded, counted: int = 0) -> Batch:
    return Batch(items, {item.record.source: Position(0, counted) for item in items})


def prepared(*items: Decoded, counted: int = 0, refused=None):
    return prepare(batch(*items, counted=counted), refused=refused or {}, now=NOW, pipeline_version="v1")


def test_an_event_becomes_a_row_of_its_utc_day_with_exact_numbers():
    row = event_row(Record(SILVER, 0, None, b""), silver(1, occurred_at=NOON + 43_199_999_999))

    assert row.event_date == date(2026, 11, 23)
    assert row.values[13] == datetime(2026, 11, 23, 23, 59, 59, 999999)
    assert row.values[10] == Decimal("0.9700")
    assert row.values[11] == Decimal("100.5000")
    assert row.measured.amount == 1_005_000
    assert row.measured.quality == 9_700


def test_a_sum_wider_than_the_decimal_context_is_not_rounded():
    units = 12345678901234567890123456789012345678
    assert str(scaled(units)) == "1234567890123456789012345678901234.5678"
    assert str(scaled(-units)) == "-1234567890123456789012345678901234.5678"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", "x" * 256),
        ("type", "x" * 256),
        ("quality_score", float("nan")),
        ("quality_score", 1.1),
        ("occurred_at", -(2**62)),
        ("received_at", 2**62),
        ("amount", (10**20).to_bytes(12, "big", signed=True)),
    ],
)
def test_a_value_no_column_holds_is_named(field, value):
    with pytest.raises(RefusedFieldError, match=f"^{field}: "):
        event_row(Record(SILVER, 0, None, b""), silver(1, **{field: value}))


def test_such_an_event_goes_alone_to_the_dead_letters_with_its_bytes():
    result = prepared(decoded(SILVER, 5, silver(1, account_id="x" * 256)), decoded(SILVER, 6, silver(2)))

    assert [row.offset for row in result.events] == [6]
    (refused,) = result.letters
    assert refused.made_here
    assert refused.identity == event_id(1)
    assert refused.reason == DeadLetterReason.STORAGE_REFUSED
    assert refused.values[5:8] == ("silver", 0, 5)
    assert refused.values[9:11] == ("record", b"value")
    assert refused.values[12] == "x" * 255


def test_an_unreadable_record_keeps_its_identity_by_its_key():
    fault = Refusal(DeadLetterReason.UNREADABLE_RECORD, "magic byte is 7, expected 0")
    result = prepared(
        decoded(SILVER, 0, {}, key=event_id(1), refusal=fault),
        decoded(ANALYTICS, 0, {}, key=event_id(2), refusal=fault),
    )

    by_source = {row.source: row for row in result.letters}
    assert by_source[SILVER].values[1] == event_id(1)
    assert by_source[ANALYTICS].values[1] is None


def test_of_equal_identities_in_a_batch_the_first_counts_and_the_others_are_duplicates():
    result = prepared(
        decoded(SILVER, 0, silver(1)), decoded(SILVER, 1, silver(1, occurred_at=0)), decoded(DEAD, 0, letter(1))
    )

    assert [row.offset for row in result.events] == [0]
    assert not result.letters
    counts = count(result, known=set())
    assert (counts[SILVER].inserted, counts[SILVER].duplicates) == (1, 1)
    assert (counts[DEAD].inserted, counts[DEAD].duplicates) == (0, 1)


def test_known_identities_are_duplicates():
    result = prepared(decoded(SILVER, 0, silver(1)), decoded(SILVER, 1, silver(2)), decoded(DEAD, 0, letter(3)))

    counts = count(result, known={event_id(1), event_id(3)})

    assert (counts[SILVER].inserted, counts[SILVER].duplicates, counts[SILVER].dead) == (1, 1, 0)
    assert (counts[DEAD].inserted, counts[DEAD].duplicates, counts[DEAD].dead) == (0, 1, 0)


def test_dead_letters_without_event_id_are_told_apart_by_place_and_bytes():
    result = prepared(
        decoded(DEAD, 0, letter(None)),
        decoded(DEAD, 1, letter(None)),
        decoded(DEAD, 2, letter(None, offset=8)),
        decoded(DEAD, 3, letter(None, payload=b"[")),
    )

    assert sorted(row.offset for row in result.letters) == [0, 2, 3]


def test_a_dead_letter_is_never_refused_itself():
    result = prepared(
        decoded(DEAD, 0, letter(1, type="x" * 999, detail="é" * 99_999, failed_at=2**62, received_at=-(2**62)))
    )

    (row,) = result.letters
    assert not row.made_here
    assert len(row.values[4]) == 16_000
    assert row.values[14] is None
    assert row.values[15] == NOW


def test_what_was_counted_before_a_replay_is_not_counted_again():
    analytics = {
        "window_start": NOON,
        "account_id": None,
        "business_context": "other",
        "type": "T",
        "count": 1,
        "amount_sum": b"\x01",
        "quality_sum": b"\x01",
        "processed_at": NOON,
    }
    result = prepared(
        decoded(SILVER, 0, silver(1)),
        decoded(SILVER, 9, silver(9)),
        decoded(ANALYTICS, 0, analytics),
        decoded(ANALYTICS, 9, analytics),
        counted=9,
    )

    counts = count(result, known={event_id(1)})
    assert (counts[SILVER].inserted, counts[SILVER].duplicates) == (1, 0)
    assert counts[ANALYTICS].inserted == 1
    assert len(result.increments) == 1
    assert result.batch.next_positions()[SILVER] == Position(10, 10)


def test_positions_go_on_behind_the_last_record_and_counting_never_goes_back():
    assert batch(decoded(SILVER, 3, silver(1)), counted=9).next_positions()[SILVER] == Position(4, 9)


def test_rows_are_sorted_by_key():
    result = prepared(*(decoded(SILVER, n, silver(n)) for n in range(20)))

    assert [row.identity for row in result.events] == sorted(event_id(n) for n in range(20))
    assert [row[3:35] for row in result.text.identities] == sorted(event_id(n).hex().encode() for n in range(20))


def test_mysqls_refusal_becomes_a_dead_letter_with_its_words():
    result = prepared(decoded(SILVER, 0, silver(1)), refused={(SILVER, 0): "MySQL 3140 Invalid JSON text"})

    assert not result.events
    assert result.letters[0].values[4] == "MySQL 3140 Invalid JSON text"
