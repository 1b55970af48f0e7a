import pytest

from holded_contracts.io.registry import RegistryUnavailableError, UnknownSchemaError
from holded_contracts.reasons import DeadLetterReason
from holded_contracts.topics import Artefact
from holded_contracts.wire import encode, frame, parsed_schema
from holded_sink.batch import Record, Source
from holded_sink.errors import SystemicError, TransientError
from holded_sink.io.decoder import Decoder

LEDGER = Source("id", 0, "ledger", Artefact.LEDGER)
ENTRY = {
    "topic": "raw",
    "topic_id": "raw-id",
    "partition": 0,
    "first_offset": 0,
    "last_offset": 1,
    "records": 2,
    "silver": 2,
    "dead_letters": 0,
    "duplicates": 0,
    "committed_at": 0,
    "worker": "w",
    "pipeline_version": "v",
}
GOOD = encode(frame(1), parsed_schema(Artefact.LEDGER), ENTRY)


class Registry:
    """Knows schema 1 as the ledger's and schema 2 as no Avro at all."""

    def __init__(self, *, empty: bool = False, away: bool = False) -> None:
        self.empty, self.away, self.asked = empty, away, 0

    def schema(self, schema_id):
        self.asked += 1
        if self.away:
            raise RegistryUnavailableError("503")
        if schema_id == 2:
            raise ValueError("not Avro")
        if self.empty or schema_id != 1:
            raise UnknownSchemaError(str(schema_id))
        return parsed_schema(Artefact.LEDGER)

    def schema_id(self, topic, artefact):
        if self.empty:
            raise UnknownSchemaError(topic)
        return 1


def decode(registry, *values):
    return Decoder(registry).decode([Record(LEDGER, n, None, value) for n, value in enumerate(values)])


def test_good_records_have_fields_and_bad_ones_a_reason():
    results = decode(Registry(), GOOD, None, b"\x00", GOOD[:-1], GOOD + b"x", frame(9) + b"x", frame(2) + b"x")

    assert results[0].fields == ENTRY
    assert results[0].refusal is None
    for result in results[1:]:
        assert result.refusal is not None
        assert result.refusal.reason == DeadLetterReason.UNREADABLE_RECORD


def test_an_unknown_id_is_asked_for_once_a_batch():
    registry = Registry()
    decode(registry, *[frame(9) + b"x"] * 50)
    assert registry.asked == 1


def test_a_registry_that_has_lost_its_content_is_a_systemic_fault():
    with pytest.raises(SystemicError, match="lost the schemas of ledger"):
        decode(Registry(empty=True), GOOD)


def test_a_registry_that_is_away_is_a_transient_fault():
    with pytest.raises(TransientError, match="503"):
        decode(Registry(away=True), GOOD)
