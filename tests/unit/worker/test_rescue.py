"""A batch that cannot be encoded: its culprits become dead letters, everything else stays as it was."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from holded_contracts import wire
from holded_contracts.topics import Artefact
from holded_worker.domain.records import RawRecord
from holded_worker.embedded import BatchResult, EmbeddedRunner
from holded_worker.rescue import Batch, Rescue
from tests.unit.worker.samples import NOW, RAW_SCHEMA_ID, RULES, Schemas, event, raw_record

BATCH = {
    0: [raw_record(event(), bytes([number]) * 16, offset=number) for number in range(5)],
    1: [raw_record(event(), b"a" * 16, partition=1), raw_record(b"no json", b"b" * 16, partition=1, offset=1)],
}
UNREADABLE = {2: [RawRecord("events.raw", 2, 0, b"\x00poison")]}


def rescued(batch: Batch, *culprits: tuple[int, int]) -> tuple[BatchResult, BatchResult]:
    """Return the result before and after, with an encoder that fails on the records at these places."""
    known: dict[int, Any] = {0: {b"\x03" * 16}}
    before = EmbeddedRunner(RULES).run(dict(batch), known, {RAW_SCHEMA_ID: wire.parsed_schema(Artefact.RAW)})

    def encode(records: Batch, result: BatchResult) -> None:
        for partition, (record,) in records.items():
            assert result.count(partition) == 1, "one record alone"
            if (partition, record.offset) in culprits:
                raise ZeroDivisionError("a bug")

    with capture_logs() as logged:
        after = Rescue(Schemas(), RULES).without_unwritable(batch, before, encode, NOW)
    assert [line["record"] for line in logged] == [f"events.raw/{partition}/{offset}" for partition, offset in culprits]
    return before, after


def test_a_culprit_is_a_dead_letter_with_its_event_and_nothing_else_changes() -> None:
    before, after = rescued(BATCH, (0, 2))
    assert after.silver[0] == [record for record in before.silver[0] if record["raw_offset"] != 2]
    assert (after.silver[1], after.dead[1], after.duplicates) == (before.silver[1], before.dead[1], before.duplicates)
    (letter,) = after.dead[0]
    assert (letter["reason"], letter["detail"]) == ("processing_error", "Encode: ZeroDivisionError: a bug")
    assert (letter["partition"], letter["offset"], letter["event_id"]) == (0, 2, b"\x02" * 16)
    assert (letter["payload_kind"], letter["payload"]) == ("event", before_payload(2))
    assert after.unforeseen == 1
    assert {partition: after.count(partition) for partition in BATCH} == {0: 5, 1: 2}


def before_payload(offset: int) -> bytes:
    value = BATCH[0][offset].value
    assert value is not None
    payload: bytes = wire.decode(value, wire.parsed_schema(Artefact.RAW), None)["payload"]
    return payload


@pytest.mark.parametrize(("batch", "place"), [(BATCH, (1, 1)), (UNREADABLE, (2, 0))], ids=["refused", "unreadable"])
def test_a_dead_letter_that_cannot_be_encoded_holds_the_bytes_and_nothing_that_was_read_from_them(
    batch: Batch, place: tuple[int, int]
) -> None:
    _, after = rescued(batch, place)
    partition, offset = place
    (letter,) = after.dead[partition]
    assert (letter["payload_kind"], letter["payload"]) == ("record", batch[partition][offset].value)
    assert (letter["event_id"], letter["type"], letter["reason"]) == (None, None, "processing_error")


def test_running_out_of_memory_is_no_events_fault() -> None:
    def encode(_: Batch, __: BatchResult) -> None:
        raise MemoryError

    result = EmbeddedRunner(RULES).run(dict(BATCH), {}, {RAW_SCHEMA_ID: wire.parsed_schema(Artefact.RAW)})
    with pytest.raises(MemoryError):
        Rescue(Schemas(), RULES).without_unwritable(BATCH, result, encode, NOW)
