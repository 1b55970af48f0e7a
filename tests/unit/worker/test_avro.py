"""Records read and written by hand are what fastavro would read and write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holded_contracts import wire
from holded_contracts.topics import Artefact
from holded_worker.domain.avro import frame_silver, read_raw

RAW, SILVER = wire.parsed_schema(Artefact.RAW), wire.parsed_schema(Artefact.SILVER)
HEADER = wire.frame(7)
LONG = st.integers(-(2**63), 2**63 - 1)
OPTIONAL = st.none() | st.text(max_size=300)
TEXTS = ("type", "domain", "entity", "action", "business_context", "pipeline_version", "data", "metadata")
OPTIONAL_TEXTS = ("account_id", "user_id", "target_subscription", "currency", "source")

RAW_RECORDS = st.fixed_dictionaries(
    {
        "event_id": st.binary(min_size=16, max_size=16),
        "received_at": LONG,
        "type": st.text(max_size=300),
        "source": OPTIONAL,
        "payload": st.binary(max_size=300),
    }
)
SILVER_RECORDS = st.fixed_dictionaries(
    {
        "event_id": st.binary(min_size=16, max_size=16),
        "quality_score": st.floats(allow_nan=False),
        "amount": st.none() | st.binary(max_size=10),
        "raw_partition": st.integers(0, 2**31 - 1),
        **dict.fromkeys(("occurred_at", "received_at", "processed_at", "raw_offset"), LONG),
        **dict.fromkeys(TEXTS, st.text(max_size=300)),
        **dict.fromkeys(OPTIONAL_TEXTS, OPTIONAL),
    }
)


@given(SILVER_RECORDS)
def test_a_silver_record_framed_by_hand_is_what_fastavro_would_write(record):
    assert frame_silver(HEADER, record) == wire.encode(HEADER, SILVER, record)


@given(RAW_RECORDS)
def test_a_raw_record_is_read_as_fastavro_reads_it(record):
    fields = read_raw(wire.encode(HEADER, RAW, record))
    assert fields is not None
    assert fields._asdict() == record


@settings(max_examples=500)
@given(RAW_RECORDS, st.data())
def test_what_fastavro_refuses_is_never_read_by_hand(record, data):
    value = bytearray(wire.encode(HEADER, RAW, record))
    for _ in range(data.draw(st.integers(1, 3))):
        value[data.draw(st.integers(len(HEADER), len(value) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(value[: data.draw(st.integers(len(HEADER), len(value)))])
    by_hand = read_raw(damaged)
    try:
        by_fastavro = wire.decode(damaged, RAW, None)
    except wire.WireFormatError:
        assert by_hand is None
    else:
        assert by_hand is None or by_hand._asdict() == by_fastavro


def test_an_identity_of_another_length_is_a_bug():
    record = {**dict.fromkeys(TEXTS, ""), **dict.fromkeys(OPTIONAL_TEXTS), "event_id": b"abc", "amount": None}
    with pytest.raises(ValueError, match="16 bytes, not 3"):
        frame_silver(HEADER, record)
