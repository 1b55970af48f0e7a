"""ProcessEvents on the embedded runner, without Kafka."""

import pytest

from holded_contracts import wire
from holded_contracts.topics import Artefact
from holded_worker import pipeline
from holded_worker.dedup import DedupIndex
from holded_worker.domain.process import process
from holded_worker.domain.records import RawRecord
from holded_worker.embedded import EmbeddedRunner
from holded_worker.pipeline import Duplicate
from tests.unit.worker.samples import RAW_SCHEMA_ID, RULES, Schemas, event, raw_record

SCHEMAS = {RAW_SCHEMA_ID: wire.parsed_schema(Artefact.RAW)}


@pytest.fixture(scope="module")
def runner():
    return EmbeddedRunner(RULES)


def known(*ids):
    index = DedupIndex(10**15)
    for event_id in ids:
        index.add(event_id, 0)
    return index


def test_every_record_lands_in_one_output(runner):
    records = [
        raw_record(event(), b"a" * 16, offset=0),
        raw_record(event(), b"a" * 16, offset=1),
        raw_record(event(), b"k" * 16, offset=2),
        raw_record(b"bad", b"d" * 16, offset=3),
        raw_record(b"bad", b"d" * 16, offset=4),
        RawRecord("events.raw", 0, 5, b"\x00poison"),
        raw_record(event(), b"b" * 16, offset=6),
    ]
    index = known(b"k" * 16)
    result = runner.run({0: records}, {0: index}, SCHEMAS)
    assert [(record["event_id"], record["raw_offset"]) for record in result.silver[0]] == [
        (b"a" * 16, 0),
        (b"b" * 16, 6),
    ]
    assert result.duplicates == {0: [Duplicate(b"a" * 16, 1), Duplicate(b"k" * 16, 2)]}
    assert [letter["offset"] for letter in result.dead[0]] == [3, 4, 5]
    assert result.count(0) == len(records)
    assert len(index) == 1, "the index changes only when the transaction has been committed"


def test_an_invalid_copy_does_not_make_a_valid_one_a_duplicate(runner):
    records = [raw_record(b"bad", b"a" * 16), raw_record(event(), b"a" * 16, offset=1)]
    result = runner.run({0: records}, {0: known()}, SCHEMAS)
    assert [record["raw_offset"] for record in result.silver[0]] == [1]
    assert result.duplicates == {}


def test_partitions_are_deduplicated_apart_and_only_with_an_index(runner):
    records = {
        partition: [raw_record(event(), partition=partition), raw_record(event(), partition=partition, offset=1)]
        for partition in (0, 1)
    }
    result = runner.run(records, {0: known()}, SCHEMAS)
    assert {partition: len(found) for partition, found in result.silver.items()} == {0: 1, 1: 2}


def test_the_proto_is_run_again_and_again_without_memory_of_the_last_batch(runner):
    for offset in range(5):
        result = runner.run({0: [raw_record(event(), offset=offset)]}, {0: known()}, SCHEMAS)
        assert [record["raw_offset"] for record in result.silver[0]] == [offset]
        assert result.dead == {}
    assert runner.run({}, {}, SCHEMAS).silver == {}


def test_beam_and_plain_functions_agree(runner):
    records = [raw_record(event({"n": n, "amount": n}), bytes([n]) * 16, offset=n) for n in range(20)]
    result = runner.run({0: records}, {}, SCHEMAS)
    plain = [process(record, Schemas(), RULES, 0).silver for record in records]
    assert [{**record, "processed_at": 0} for record in result.silver[0]] == plain


def test_two_runners_do_not_mix(runner):
    other = EmbeddedRunner(RULES._replace(version="other"))
    assert other.run({0: [raw_record(event())]}, {}, SCHEMAS).silver[0][0]["pipeline_version"] == "other"
    assert runner.run({0: [raw_record(event())]}, {}, SCHEMAS).silver[0][0]["pipeline_version"] == "test-1"


class Broken(dict):
    """A store of schemas that fails on some records, as a bug would."""

    def __init__(self, error, schema_id=None):
        super().__init__(SCHEMAS)
        self.error, self.schema_id = error, schema_id

    def get(self, key, default=None):
        if self.schema_id in {None, key}:
            raise self.error
        return super().get(key, default)


def test_a_bug_that_one_event_meets_makes_a_dead_letter_of_that_event_alone(runner):
    odd = raw_record(event(), b"o" * 16, offset=1)
    odd = odd._replace(value=wire.frame(99) + (odd.value or b"")[5:])
    records = [raw_record(event(), b"a" * 16), odd, raw_record(b"bad", offset=2), raw_record(event(), offset=3)]
    result = runner.run({0: records}, {}, Broken(RuntimeError("no such \ud800 thing"), 99))
    assert [record["raw_offset"] for record in result.silver[0]] == [0, 3]
    assert [(letter["offset"], letter["reason"]) for letter in result.dead[0]] == [
        (1, "processing_error"),
        (2, "invalid_json"),
    ]
    letter = result.dead[0][0]
    assert letter["detail"] == "Decode: RuntimeError: no such \\ud800 thing"
    assert letter["payload"] == odd.value
    wire.encode(wire.frame(1), wire.parsed_schema(Artefact.DEAD_LETTER), letter)
    assert result.unforeseen == 1


@pytest.mark.parametrize("step", ["open_event", "enrich_event", "classify_event", "score_event", "to_silver"])
def test_a_bug_of_any_step_leaves_the_other_events_alone(runner, monkeypatch, step):
    real = getattr(pipeline, step)

    def buggy(item, *rest, **options):
        raw = item if hasattr(item, "payload") else item.event
        if raw.offset == 1:
            raise KeyError("bug")
        return real(item, *rest, **options)

    monkeypatch.setattr(pipeline, step, buggy)
    result = runner.run({0: [raw_record(event(), offset=n) for n in range(3)]}, {}, SCHEMAS)
    assert [record["raw_offset"] for record in result.silver[0]] == [0, 2]
    assert [(letter["offset"], letter["reason"]) for letter in result.dead[0]] == [(1, "processing_error")]
    assert result.dead[0][0]["payload_kind"] == "event"


def test_no_memory_is_no_fault_of_an_event(runner):
    with pytest.raises(Exception, match="MemoryError"):
        runner.run({0: [raw_record(event())]}, {}, Broken(MemoryError("MemoryError")))
    assert len(runner.run({0: [raw_record(event())]}, {}, SCHEMAS).silver[0]) == 1
