"""What the output edge on Flink writes of that which arrives, and that it never leaves a gap."""

from typing import Any

import pytest

from holded_worker.domain.records import Span
from holded_worker.flink.writer import Bundle, not_yet_written
from holded_worker.io.errors import FatalError
from holded_worker.pipeline import DEAD, DUPLICATES, SILVER, Duplicate, Origin, PartitionBatch


def bundle(*reads: range, start: int | None = None) -> Any:
    """Return what a bundle brings of partition 0: every third record is a dead letter, every third a duplicate."""
    found = Bundle()
    for number, read in enumerate(reads):
        origin = Origin(read.start if start is None else start, len(read), number)
        outputs: dict[str, list[Any]] = {
            SILVER: [{"raw_offset": offset} for offset in read if offset % 3 == 0],
            DEAD: [{"offset": offset} for offset in read if offset % 3 == 1],
            DUPLICATES: [Duplicate(b"d" * 16, offset) for offset in read if offset % 3 == 2],
        }
        for output, items in outputs.items():
            if items:
                found.add(output, PartitionBatch(0, items, origin))
    return found.take()[0]


def written(found: Any, committed: int | None) -> tuple[list[int], Span] | None:
    """Return the offsets that are written, and their span."""
    fresh = not_yet_written(0, found, committed)
    if fresh is None:
        return None
    result, span = fresh
    offsets = [event["raw_offset"] for event in result.silver.get(0, [])]
    offsets += [letter["offset"] for letter in result.dead.get(0, [])]
    offsets += [duplicate.offset for duplicate in result.duplicates.get(0, [])]
    return sorted(offsets), span


@pytest.mark.parametrize("committed", [None, 0, 5])
def test_what_is_new_is_written_once_for_all_reads_of_the_bundle(committed: int | None) -> None:
    assert written(bundle(range(5, 9), range(9, 20)), committed if committed != 0 else None) == (
        list(range(5, 20)),
        Span(5, 19, 15),
    )


def test_what_is_below_the_committed_offset_has_been_written_and_is_dropped() -> None:
    assert written(bundle(range(20)), 12) == (list(range(12, 20)), Span(12, 19, 8))
    assert written(bundle(range(20)), 20) is None
    assert written(bundle(range(5), range(5, 12)), 5) == (list(range(5, 12)), Span(5, 11, 7))


def test_records_that_were_read_twice_are_written_once() -> None:
    assert written(bundle(range(10), range(4, 15)), 0) == (list(range(15)), Span(0, 14, 15))
    assert written(bundle(range(10), range(10)), None) == (list(range(10)), Span(0, 9, 10))


def test_a_gap_is_never_written_over() -> None:
    with pytest.raises(FatalError, match="goes on at 7, but is committed up to 5"):
        written(bundle(range(7, 9)), 5)
    with pytest.raises(FatalError, match="goes on at 12"):
        written(bundle(range(5, 9), range(12, 14)), 5)


def test_offsets_that_kafka_no_longer_has_are_no_gap() -> None:
    assert written(bundle(range(7, 9), start=5), 5) == ([7, 8], Span(7, 8, 2))


def test_a_record_that_went_missing_on_the_way_stops_the_process() -> None:
    found = bundle(range(6))
    found[Origin(0, 6, 0)].pop(DEAD)
    with pytest.raises(FatalError, match="6 records of partition 0 became 4"):
        written(found, None)


def test_a_bundle_begins_empty_and_a_batch_without_origin_is_a_bug() -> None:
    found = Bundle()
    found.add(SILVER, PartitionBatch(0, [{"raw_offset": 0}], Origin(0, 1, 0)))
    assert list(found.take()) == [0]
    assert found.take() == {}
    with pytest.raises(FatalError):
        found.add(SILVER, PartitionBatch(0, []))
