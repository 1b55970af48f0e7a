"""Poison: each record that can never be processed becomes one dead letter alone, its neighbours go to silver (G4, D5)."""

import json
from collections import Counter
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Message, Producer

from holded_contracts import wire
from holded_contracts.identity import EVENT_ID_BYTES
from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import Artefact
from holded_worker.domain.process import MAX_RECORD_BYTES
from tests.integration.worker.support import RECEIVED_AT, TYPE, RawTopic, Topics, event, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

HEADERS = {"type": TYPE}
MEBIBYTE = 1_048_576


class Poison(NamedTuple):
    """A record and what must become of it."""

    about: str
    value: bytes | None
    reason: str | None
    """None: it is odd, but legal or repaired, and goes to silver."""
    kind: str = "event"


def payload(data: Any, **headers: Any) -> bytes:
    return json.dumps({"data": data, "headers": {**HEADERS, **headers}}).encode()


def framed(header: bytes, number: int, body: bytes, **changes: Any) -> bytes:
    """Return a raw record as the collector would write it."""
    fields = {
        "event_id": number.to_bytes(EVENT_ID_BYTES),
        "received_at": RECEIVED_AT,
        "type": TYPE,
        "source": None,
        "payload": body,
        **changes,
    }
    return wire.encode(header, wire.parsed_schema(Artefact.RAW), fields)


def events() -> list[tuple[str, bytes, str | None]]:
    """Return payloads with what they are and the reason they get."""
    deep = 20_000
    return [
        ("bad JSON", b'{"data": {}, "headers": ', "invalid_json"),
        ("not UTF-8", b'{"data": {"a": "\xff\xfe"}, "headers": {}}', "invalid_json"),
        ("NaN", b'{"data": {"amount": NaN}, "headers": {}}', "invalid_json"),
        ("a bare NUL byte", b'{"data": {"a": "\x00"}, "headers": {}}', "invalid_json"),
        ("nothing at all", b"", "invalid_json"),
        ("an array", b"[1, 2]", "invalid_envelope"),
        ("data of a wrong type", b'{"data": "text", "headers": {}}', "invalid_envelope"),
        ("type of a wrong type", payload({}, type=7), "invalid_type"),
        ("account of a wrong type", payload({}, **{"X-Message-Stamp-ContextStamp": {"accountId": {}}}), "invalid_field"),
        ("depth bomb of arrays", b'{"data":' + b"[" * deep + b"]" * deep + b"}", "too_deep"),
        ("depth bomb of objects", b'{"a":' * deep + b"1" + b"}" * deep, "too_deep"),
        ("depth bomb without an end", b"[" * deep, "too_deep"),
        ("more than a record holds", payload({"a": ["x" * 65_000] * 20}), "too_large"),
        ("escaped NUL and lone surrogate", rb'{"data": {"a": "\u0000\ud800b"}, "headers": %s}' % json.dumps(HEADERS).encode(), None),
        ("4-byte UTF-8", json.dumps({"data": {"a": "👩‍👩‍👧"}, "headers": HEADERS}, ensure_ascii=False).encode(), None),
        ("dates out of range", payload({"occurredAt": "9999-12-31T23:59:59Z", "date": -1, "createdAt": 10**30}), None),
        ("an impossible date", payload({"occurredAt": "2026-02-30", "timestamp": {"date": "x", "timezone": "../etc"}}), None),
        ("a string of 1 MiB", payload({"a": "x" * MEBIBYTE}), None),
        ("numbers beyond everything", b'{"data": {"amount": 1e999999, "id": %s}, "headers": %s}' % (b"9" * 5000, json.dumps(HEADERS).encode()), None),
    ]  # fmt: skip


def records(raw: RawTopic, silver_schema: bytes) -> list[Poison]:
    """Return all poison of one raw partition."""
    whole = framed(raw.header, 0, event(0))
    listed = [
        Poison(about, framed(raw.header, 1_000 + number, body), reason)
        for number, (about, body, reason) in enumerate(events())
    ]
    broken = [
        ("tombstone", None),
        ("no bytes", b""),
        ("other magic byte", b"\x01" + whole[1:]),
        ("a header cut off", raw.header[:3]),
        ("truncated Avro", whole[: len(whole) // 2]),
        ("bytes after the Avro", whole + b"!"),
        ("unknown schema id", wire.frame(4_000_000) + whole[5:]),
        ("schema id beyond what fits", wire.frame(2**32 - 1) + whole[5:]),
        ("schema of another topic", silver_schema + whole[5:]),
        ("JSON instead of Avro", event(0)),
    ]
    return [
        *listed,
        *(Poison(about, value, "unreadable_record", "record") for about, value in broken),
        Poison("received before 2000", framed(raw.header, 2_000, event(0), received_at=0), "invalid_field"),
        Poison("received in a far future", framed(raw.header, 2_001, event(0), received_at=2**62), "invalid_field"),
        Poison("a source of 300 characters", framed(raw.header, 2_002, event(0), source="s" * 300), "invalid_field"),
    ]


class Sender:
    """Writes record values to one partition and knows where each came to lie."""

    def __init__(self, settings: WorkerSettings, partition: int) -> None:
        self._topic, self._partition = settings.topics.raw, partition
        # A compressed record may hold more than the broker takes uncompressed.
        limits = {"message.max.bytes": 8_000_000, "compression.type": "lz4", "linger.ms": 0}
        self._producer = Producer({**settings.kafka.client_config(), **limits})

    def send(self, value: bytes | None) -> int:
        """Return the offset."""
        reports: list[Message] = []
        self._producer.produce(
            self._topic,
            value,
            b"k",
            partition=self._partition,
            on_delivery=lambda error, message: reports.append(message),
        )
        assert self._producer.flush(30) == 0
        assert reports[0].error() is None, reports[0].error()
        return int(reports[0].offset())


def test_each_poison_record_is_one_dead_letter_and_harms_no_neighbour(
    settings: WorkerSettings, raw: RawTopic, state: Topics
) -> None:
    registry = RegistryReader(settings.schema_registry)
    silver_schema = wire.frame(registry.schema_id(settings.topics.silver, Artefact.SILVER))
    registry.close()
    sender, placed, neighbours = Sender(settings, partition=1), {}, []
    for number, poison in enumerate(records(raw, silver_schema)):
        placed[sender.send(poison.value)] = poison
        neighbours.append(sender.send(framed(raw.header, 10_000 + number, event(number))))
    with running(settings):
        wait_until(state.drained, timeout=60)

    letters = {letter["offset"]: letter for letter in state.values(Artefact.DEAD_LETTER)}
    silver = {record["raw_offset"]: record for record in state.values(Artefact.SILVER)}
    expected_letters = {offset for offset, poison in placed.items() if poison.reason is not None}
    assert set(letters) == expected_letters, {placed[offset].about for offset in set(letters) ^ expected_letters}
    assert set(silver) == {*neighbours, *(set(placed) - expected_letters)}
    counts = state.assert_ledger_balances()
    assert counts["dead_letters"] == len(expected_letters), "one dead letter each"

    for offset, letter in letters.items():
        poison = placed[offset]
        value = poison.value or b""
        original = (
            wire.decode(value, wire.parsed_schema(Artefact.RAW), None)["payload"] if poison.kind == "event" else value
        )
        found = (letter["reason"], letter["stage"], letter["topic"], letter["partition"], letter["payload_kind"])
        assert found == (poison.reason, "worker", settings.topics.raw, 1, poison.kind), poison.about
        if len(original) < MAX_RECORD_BYTES:
            assert letter["payload"] == original, poison.about
        else:
            assert original.startswith(letter["payload"]), poison.about
            assert f"payload cut from {len(original)}" in letter["detail"]
        assert letter["detail"], poison.about
        assert letter["pipeline_version"] == settings.pipeline.version
        assert (letter["event_id"] is None) == (poison.kind == "record"), poison.about
    listed = Counter(letter["reason"] for letter in letters.values())
    print("\n".join(f"| {reason} | {count} |" for reason, count in sorted(listed.items())))  # noqa: T201 -- with -rP

    sanitized = {poison.about: silver[offset] for offset, poison in placed.items() if offset in silver}
    assert json.loads(sanitized["4-byte UTF-8"]["data"]) == {"a": "👩‍👩‍👧"}
    assert json.loads(sanitized["escaped NUL and lone surrogate"]["data"]) == {"a": "b"}
    assert len(json.loads(sanitized["a string of 1 MiB"]["data"])["a"]) == settings.max_string_length
    for about in ("dates out of range", "an impossible date"):
        assert sanitized[about]["occurred_at"] == RECEIVED_AT
        assert "notes" in json.loads(sanitized[about]["metadata"])
