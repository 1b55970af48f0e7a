"""Confluent wire format: a zero byte, the schema id as 4 bytes big endian, the Avro body.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/#wire-format.
In process, a timestamp is an int (microseconds since the epoch, UTC) and a decimal is its unscaled two's complement
bytes: fastavro's conversions to datetime and Decimal cost more than the rest of the record.
"""

import io
import json
import struct
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

import fastavro

from holded_contracts.topics import Artefact

_HEADER = struct.Struct(">bI")
HEADER_SIZE = _HEADER.size
"""Bytes before the Avro body."""

# Two bytes of a long are looked up at once: a timestamp then takes four steps instead of eight.
_PAIR = 1 << 14
_FIRST_BYTES = [bytes((low % 128 | 128, low // 128 | 128)) for low in range(_PAIR)]
_LAST_BYTES = [bytes((low,) if low < 128 else (low % 128 | 128, low // 128)) for low in range(_PAIR)]

AMOUNT_SCALE = 4
"""Decimal places of every amount and quality sum."""


class WireFormatError(ValueError):
    """The bytes are no record of ours; the sentence says why."""


@cache
def schema_text(artefact: Artefact) -> str:
    """Return the schema as it is registered: canonical JSON with docs and logical types."""
    text = resources.files("holded_contracts").joinpath(f"avro/{artefact}.avsc").read_text("utf-8")
    return json.dumps(json.loads(text), separators=(",", ":"))


def parse_schema(text: str) -> Any:
    """Parse a schema for `encode` and `decode`, without its logical types (see the module's docstring)."""
    return fastavro.parse_schema(_without_logical_types(json.loads(text)))


@cache
def parsed_schema(artefact: Artefact) -> Any:
    """Return our own version of a schema, parsed for `encode` and `decode`."""
    return parse_schema(schema_text(artefact))


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node


def frame(schema_id: int) -> bytes:
    """Return the five bytes that stand before every body of this schema."""
    return _HEADER.pack(0, schema_id)


def encode(header: bytes, schema: Any, record: dict[str, Any]) -> bytes:
    """Return header (from `frame`) and Avro body as one value."""
    out = io.BytesIO()
    out.write(header)
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def split(value: bytes | None) -> int:
    """Return the schema id of a record value.

    Raises
    ------
    WireFormatError
        If the value is a tombstone, too short or has another magic byte.
    """
    if value is None:
        raise WireFormatError("record has no value")
    if len(value) < HEADER_SIZE:
        raise WireFormatError(f"record value has {len(value)} bytes, the wire header alone needs {HEADER_SIZE}")
    magic, schema_id = _HEADER.unpack_from(value)
    if magic != 0:
        raise WireFormatError(f"magic byte is {magic}, expected 0")
    return int(schema_id)


def decode(value: bytes, writer_schema: Any, reader_schema: Any) -> dict[str, Any]:
    """Return the record of a value whose header `split` has accepted.

    Raises
    ------
    WireFormatError
        If the body is not what the writer schema says (truncated, trailing bytes, bad UTF-8).
    """
    body = io.BytesIO(value)
    body.seek(HEADER_SIZE)
    try:
        record = fastavro.schemaless_reader(body, writer_schema, reader_schema)
    except Exception as error:  # fastavro raises whatever its Cython code meets: EOFError, IndexError, UnicodeError …
        raise WireFormatError(f"Avro body cannot be read: {type(error).__name__}: {error}") from error
    if body.tell() != len(value):
        raise WireFormatError(f"{len(value) - body.tell()} bytes after the Avro body")
    if not isinstance(record, dict):
        raise WireFormatError("Avro body is not a record")
    return record


def long_bytes(number: int) -> bytes:
    """Return Avro's variable-length encoding of a long: seven bits a byte, the lowest first, of the zigzag number.

    Source: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding.
    """
    rest = (number << 1) ^ (number >> 63)
    out = b""
    while rest >= _PAIR:
        out += _FIRST_BYTES[rest % _PAIR]
        rest //= _PAIR
    return out + _LAST_BYTES[rest]


def decimal_to_bytes(value: Decimal) -> bytes:
    """Return the unscaled two's complement bytes of a value with at most AMOUNT_SCALE decimals."""
    return unscaled_to_bytes(int(value.scaleb(AMOUNT_SCALE)))


def unscaled_to_bytes(unscaled: int) -> bytes:
    """Return what `decimal_to_bytes` does, from a whole number of the last decimal place."""
    return unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True)


def decimal_from_bytes(value: bytes) -> Decimal:
    """Return the value of `decimal_to_bytes`, always with AMOUNT_SCALE decimals."""
    return Decimal(int.from_bytes(value, "big", signed=True)).scaleb(-AMOUNT_SCALE)
