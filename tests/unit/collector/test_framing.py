from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_collector.framing import RawFramer
from holded_contracts.topics import Artefact
from holded_contracts.wire import decode, encode, frame, parsed_schema, split

RAW = parsed_schema(Artefact.RAW)


@given(
    schema_id=st.integers(0, 2**31 - 1),
    record=st.fixed_dictionaries(
        {
            "event_id": st.binary(min_size=16, max_size=16),
            "received_at": st.integers(-(2**62), 2**62),
            "type": st.text(max_size=500),
            "source": st.none() | st.text(max_size=200),
            "payload": st.binary(max_size=300),
        }
    ),
)
def test_a_record_framed_by_hand_is_what_fastavro_would_write(schema_id: int, record: dict[str, Any]) -> None:
    framer = RawFramer(frame(schema_id), received_at=record["received_at"], source=record["source"])
    value = framer.frame(event_id=record["event_id"], type_=record["type"], payload=record["payload"])
    assert value == encode(frame(schema_id), RAW, record)
    assert split(value) == schema_id
    assert decode(value, RAW, RAW) == record


def test_an_identity_of_another_length_is_a_bug() -> None:
    with pytest.raises(ValueError, match="16 bytes, not 3"):
        RawFramer(frame(1), received_at=0, source=None).frame(event_id=b"abc", type_="T", payload=b"")
