"""The raw record of an event, framed by hand.

The field order is fixed and four of the five fields are copied as they are, so building a dict for fastavro would cost
several times the framing itself. The tests hold this against `wire.encode` and the registered schema.
"""

from holded_contracts.identity import EVENT_ID_BYTES


def frame_raw(
    header: bytes, *, event_id: bytes, received_at: int, type_: str, source: str | None, payload: bytes
) -> bytes:
    """Return the Confluent wire format of a RawEvent.

    header is `wire.frame(schema_id)`, received_at is in microseconds since the epoch.
    """
    if len(event_id) != EVENT_ID_BYTES:
        raise ValueError(f"an event_id has {EVENT_ID_BYTES} bytes, not {len(event_id)}")
    encoded_type = type_.encode()
    if source is None:
        union = b"\x00"
    else:
        encoded_source = source.encode()
        union = b"\x02" + zigzag(len(encoded_source)) + encoded_source
    return b"".join(
        (
            header,
            event_id,
            zigzag(received_at),
            zigzag(len(encoded_type)),
            encoded_type,
            union,
            zigzag(len(payload)),
            payload,
        )
    )


def zigzag(number: int) -> bytes:
    """Return Avro's variable-length encoding of a long.

    Source: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding.
    """
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)
