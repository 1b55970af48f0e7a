"""Which event stands for a dead letter when it is sent again."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from holded_cli.replay.letters import Letter, NotReplayableError, replay_of
from holded_cli.replay.patches import set_patch
from holded_cli.replay.verdict import Verdict, verdict_on
from holded_contracts import wire
from holded_contracts.identity import replay_event_id
from holded_contracts.topics import Artefact
from holded_worker.domain.process import Rules, process_event
from holded_worker.domain.records import RawEvent

TYPE = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent"
EVENT = {
    "data": {"id": "t1", "amount": 12.5},
    "headers": {
        "type": TYPE,
        "targetSubscription": "Wallet",
        "X-Message-Stamp-ContextStamp": {"accountId": "a"},
        "x": 1,
    },
    "trace": {"deep": [1.10]},
}
RECEIVED = datetime(2026, 11, 20, 8, 30, 0, 123456)  # noqa: DTZ001 -- as MySQL returns it
RECEIVED_MICROS = 1_795_163_400_123_456
NOW = datetime(2026, 11, 23)  # noqa: DTZ001 -- as above
LETTER = Letter(
    17, b"i" * 16, b"i" * 16, "invalid_type", "worker", "headers.type: …", "event", json.dumps(EVENT).encode(),
    TYPE, "a", "shop", RECEIVED, NOW, "new", None,
)  # fmt: skip


def no_schema(schema_id):
    raise AssertionError("no registry is needed")


def replayed(letter: Letter, *patches: str, schema_of=no_schema):
    return replay_of(letter, [set_patch(text) for text in patches], schema_of, now=NOW)


def test_it_keeps_time_source_and_bytes_and_gets_an_id_that_follows_from_the_letter():
    replay = replayed(LETTER)
    assert replay.fields == {
        "event_id": replay_event_id(b"i" * 16), "received_at": RECEIVED_MICROS, "type": TYPE, "source": "shop",
        "payload": LETTER.payload,
    }  # fmt: skip
    assert replay.event_id != LETTER.event_id
    assert replayed(LETTER, "$.data.amount=1").event_id == replay.event_id, "a correction changes no identity"


def test_the_type_is_the_corrected_one():
    assert replayed(LETTER, "$.headers.type=Other").fields["type"] == "Other"


def test_a_letter_without_a_time_counts_as_received_now():
    assert replayed(replace(LETTER, received_at=None)).fields["received_at"] == 1_795_392_000_000_000


def test_what_an_earlier_run_stored_is_sent_whatever_the_patches():
    stored = replace(LETTER, replay_state="pending", replay_payload=b'{"headers": {"type": "stored"}}')
    replay = replayed(stored, "$.headers.type=Other")
    assert replay.fields["payload"] == stored.replay_payload
    assert replay.fields["type"] == "stored"
    assert replay.stored
    assert replay.changes == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"payload": b"\xff"}, "not UTF-8"),
        ({"payload": b"{"}, "no JSON"),
        ({"detail": "event: too large; payload cut from 2000000 to 983616 bytes"}, "only a part"),
        ({"payload_kind": "record", "payload": b"\x01"}, "cannot be read"),
    ],
)
def test_what_holds_no_event_is_told(changes, why):
    with pytest.raises(NotReplayableError, match=why):
        replayed(replace(LETTER, **changes))


def record(artefact: Artefact, fields: dict) -> Letter:
    payload = wire.encode(wire.frame(1), wire.parsed_schema(artefact), fields)
    return replace(LETTER, payload_kind="record", payload=payload, stage="sink")


def test_a_silver_record_that_the_sink_refused_becomes_the_event_it_was():
    raw = RawEvent("raw", 0, 0, 1, b"i" * 16, RECEIVED_MICROS, TYPE, None, LETTER.payload)
    silver = process_event(raw, Rules("test"), RECEIVED_MICROS).silver
    assert silver is not None
    replay = replayed(record(Artefact.SILVER, silver), schema_of=lambda _: wire.parsed_schema(Artefact.SILVER))
    assert json.loads(replay.fields["payload"]) == EVENT


def test_a_raw_record_whose_schema_is_known_by_now_becomes_its_event():
    fields = {"event_id": b"e" * 16, "received_at": 1, "type": TYPE, "source": None, "payload": LETTER.payload}
    replay = replayed(record(Artefact.RAW, fields), schema_of=lambda _: wire.parsed_schema(Artefact.RAW))
    assert replay.fields["payload"] == LETTER.payload


def test_a_record_that_is_no_event_is_not_sent():
    letter = record(Artefact.RAW, {"event_id": b"e" * 16, "received_at": 1, "type": "", "source": None, "payload": b""})
    with pytest.raises(NotReplayableError, match="no event but a Ledger"):
        replayed(letter, schema_of=lambda _: wire.parsed_schema(Artefact.LEDGER))


def test_the_verdict_on_an_event_is_the_workers_own():
    assert verdict_on(replayed(LETTER)) == Verdict(accepted=True)
    refused = verdict_on(replayed(LETTER, "$.headers.type=Other", "$.headers.targetSubscription=7"))
    assert (refused.accepted, refused.reason) == (False, "invalid_type")
    assert "headers.type: not of the form" in str(refused)
    assert "headers.targetSubscription: expected text, found a number" in str(refused)


def test_a_bug_of_the_worker_that_is_still_there_is_foretold(monkeypatch):
    def buggy(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("holded_worker.domain.process.enrich", buggy)
    verdict = verdict_on(replayed(LETTER))
    assert (verdict.reason, verdict.detail) == ("processing_error", "ZeroDivisionError('a bug')")
