"""Strategies for what a hostile or broken producer may write: JSON as text, bytes around valid events, raw records."""

import json
from typing import Any

from hypothesis import strategies as st

from holded_contracts import wire
from holded_contracts.topics import Artefact
from holded_worker.domain.envelope import EARLIEST
from tests.unit.worker.samples import NOW, RAW_SCHEMA_ID, STAMP, TYPE, event

_ODD_NUMBERS = (
    *("0", "-0", "-0.0", "1e308", "1e309", "-1e999999999", "1e-999999999999", "0e99999"),
    *("18446744073709551615", "18446744073709551616", "-9223372036854775809"),
)
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(19, 5000).map(lambda digits: "9" * digits),
    st.integers(19, 400).map(lambda digits: "0." + "9" * digits),
    st.sampled_from(_ODD_NUMBERS),
)
"""Number literals, also those that no double holds."""

_ODD_STRINGS = (
    *(r'"\u0000"', r'"\ud800"', r'"\udc00\ud800"', '"[{"'),
    *('"2026-02-30"', '"9999-12-31T23:59:59.999999+14:00"', '"0000-00-00"', '"soon"', '"1e5"', r'"\uff11\uff12"'),
)
STRINGS = st.one_of(
    st.text(st.characters(codec=None), max_size=20).map(json.dumps),
    st.text(max_size=20).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.integers(65_530, 65_540).map(lambda length: json.dumps("x" * length)),
    st.integers(16_370, 16_400).map(lambda length: f'"{"\N{GRINNING FACE}" * length}"'),
    st.sampled_from(_ODD_STRINGS),
)
"""String literals, also with what UTF-8 or MySQL cannot hold."""

BROKEN = st.sampled_from(("", "NaN", "Infinity", "01", "1.", ".5", "+1", '"', '"\x00"', r'"\x"', "'a'", "nul"))
"""What is no JSON value."""

NAMES = st.sampled_from(
    (
        *(
            "data",
            "headers",
            "type",
            "targetSubscription",
            STAMP,
            "X-Message-Stamp-ContextStamp",
            "accountId",
            "userId",
        ),
        *("id", "amount", "total", "value", "currency", "occurredAt", "timestamp", "date", "timezone", "createdAt", ""),
    )
)

KEYS = NAMES.map(json.dumps) | STRINGS


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}:{value}" for name, value in members) + "}"


def _values(scalars: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]"),
            st.lists(st.tuples(KEYS, inner), max_size=4).map(_object),
        ),
        max_leaves=8,
    )


LEGAL = _values(st.one_of(st.sampled_from(("null", "true", "false")), NUMBERS, STRINGS))
"""JSON text, duplicate keys included."""
ANY = _values(st.one_of(NUMBERS, STRINGS, BROKEN))
"""Text like JSON; much of it is broken."""


def _envelope(data: list[tuple[str, str]], headers: list[tuple[str, str]], more: list[tuple[str, str]]) -> str:
    kind = ('"type"', json.dumps(TYPE))  # last, for it wins over others of its name
    return _object([*more, ('"data"', _object(data)), ('"headers"', _object([*headers, kind]))])


def _envelopes(headers: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        _envelope,
        st.lists(st.tuples(KEYS, values), max_size=5),
        st.lists(st.tuples(headers, values), max_size=5),
        st.lists(st.tuples(STRINGS, values), max_size=1),
    )


ENVELOPES = st.one_of(_envelopes(STRINGS, LEGAL), _envelopes(KEYS, LEGAL), _envelopes(KEYS, ANY))
"""Text that is an event but for the content of its members; most of it is valid."""

DEPTHS = st.builds(
    lambda opening, depth, closing: (opening * depth + "1" + closing * depth).encode(),
    st.sampled_from(["[", '{"a":']),
    st.integers(90, 3000),
    st.sampled_from(["]", "}", ""]),
)


def _damaged(at: int, cut: int, junk: bytes) -> bytes:
    valid = json.dumps(event()).encode()
    return valid[: at % len(valid)] + junk + valid[(at + cut) % len(valid) :]


_EVENTS = ENVELOPES.map(lambda text: text.encode("utf-8", "surrogatepass"))
PAYLOADS = st.one_of(
    _EVENTS,
    ANY.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=60),
    st.builds(_damaged, st.integers(0, 500), st.integers(0, 20), st.binary(max_size=4)),
    DEPTHS,
    st.just(json.dumps(event()).encode()),
)
"""Bytes of an event, from valid over nearly valid to noise."""

EVENT_IDS = st.integers(0, 3).map(lambda number: bytes([number]) * 16)
"""Few, so that duplicates are frequent."""


def _framed(fields: dict[str, Any]) -> bytes:
    return wire.encode(wire.frame(RAW_SCHEMA_ID), wire.parsed_schema(Artefact.RAW), fields)


FIELDS = st.fixed_dictionaries(
    {
        "event_id": EVENT_IDS,
        "received_at": st.sampled_from([NOW, EARLIEST, EARLIEST - 1, 0, -1, 2**63 - 1, -(2**63)]),
        "type": st.text(max_size=300),
        "source": st.none() | st.text(max_size=300),
        "payload": PAYLOADS,
    }
)
ACCEPTED = st.fixed_dictionaries(
    {
        "event_id": EVENT_IDS,
        "received_at": st.integers(NOW - 10**12, NOW),
        "type": st.just(TYPE),
        "source": st.none(),
        "payload": _EVENTS | PAYLOADS,
    }
)
VALUES_OF_RECORDS = st.one_of(
    *([ACCEPTED.map(_framed)] * 4),
    FIELDS.map(_framed),
    st.builds(lambda fields, cut: _framed(fields)[:-cut], ACCEPTED, st.integers(1, 40)),
    st.builds(lambda body: wire.frame(RAW_SCHEMA_ID) + body, st.binary(max_size=80)),
    st.binary(max_size=20),
    st.none(),
)
"""Values of raw records: as the collector writes them, as others might, and noise."""
