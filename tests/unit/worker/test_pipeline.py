"""ProcessEvents on the embedded runner, without Kafka."""

import pytest

from holded_contracts import wire
from holded_contracts.topics import Artefact
from holded_worker.dedup import DedupIndex
from holded_worker.domain.process import process
from holded_worker.domain.records import RawRecord
from holded_worker.embedded import EmbeddedRunner
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
    assert result.duplicates == {0: [b"a" * 16, b"k" * 16]}
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


def test_a_fault_inside_is_raised_and_the_runner_lives_on(runner):
    class Broken(dict):
        def get(self, key, default=None):
            raise RuntimeError("no schema store")

    with pytest.raises(Exception, match="no schema store"):
        runner.run({0: [raw_record(event())]}, {}, Broken())
    assert len(runner.run({0: [raw_record(event())]}, {}, SCHEMAS).silver[0]) == 1
