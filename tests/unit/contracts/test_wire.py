"""What the wire format promises."""

import io
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_contracts.topics import Artefact
from holded_contracts.wire import (
    WireFormatError,
    decimal_from_bytes,
    decimal_to_bytes,
    decode,
    encode,
    frame,
    long_bytes,
    parsed_schema,
    schema_text,
    split,
)

RAW = parsed_schema(Artefact.RAW)
RECORD = {"event_id": bytes(16), "received_at": 1, "type": "t", "source": None, "payload": b'{"a": 1}'}


def read(value: bytes | None) -> dict[str, Any]:
    split(value)
    return decode(value or b"", RAW, RAW)


def documented(node: Any) -> bool:
    return all(field.get("doc") for field in node["fields"]) and bool(node.get("doc"))


@pytest.mark.parametrize("artefact", Artefact)
def test_every_schema_and_every_field_is_documented(artefact: Artefact) -> None:
    import json

    assert documented(json.loads(schema_text(artefact)))


def test_a_record_comes_back_as_it_was_written() -> None:
    value = encode(frame(7), RAW, RECORD)
    assert split(value) == 7
    assert decode(value, RAW, RAW) == RECORD


@given(cut=st.integers(min_value=0, max_value=len(encode(frame(7), RAW, RECORD)) - 1))
def test_a_truncated_record_is_a_wire_format_error_wherever_it_is_cut(cut: int) -> None:
    value = encode(frame(7), RAW, RECORD)[:cut]
    with pytest.raises(WireFormatError):
        read(value)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise_anything_else(body: bytes) -> None:
    try:
        record = decode(frame(1) + body, RAW, RAW)
    except WireFormatError:
        return
    assert decode(encode(frame(1), RAW, record), RAW, RAW) == record


@pytest.mark.parametrize("value", [None, b"", b"\x00\x00", b"\x01\x00\x00\x00\x01x"])
def test_a_value_without_the_header_is_refused(value: bytes | None) -> None:
    with pytest.raises(WireFormatError):
        split(value)


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=4))
def test_decimals_are_exact(value: Decimal) -> None:
    assert decimal_from_bytes(decimal_to_bytes(value)) == value


@pytest.mark.parametrize(("number", "encoded"), [(0, b"\0"), (-1, b"\1"), (1, b"\2"), (-64, b"\x7f"), (64, b"\x80\1")])
def test_longs_are_written_as_in_the_specification(number: int, encoded: bytes) -> None:
    assert long_bytes(number) == encoded


@given(st.integers(-(2**63), 2**63 - 1))
def test_longs_are_written_as_fastavro_writes_them(number: int) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    assert long_bytes(number) == out.getvalue()
