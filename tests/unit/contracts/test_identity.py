"""What the identity of an event promises."""

import json
import math
import uuid
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from holded_contracts.identity import (
    DEFAULT_ID_HEADERS,
    _may_lose_digits,
    _slow_canonical_json,
    canonical_json,
    derive_event_id,
    format_event_id,
    replay_event_id,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def digest(text: str) -> bytes:
    return derive_event_id(text.encode(), "T", {}, DEFAULT_ID_HEADERS)


@given(JSON)
def test_spacing_and_escaping_make_no_difference(document: Any) -> None:
    document = {"data": document}
    assert digest(json.dumps(document)) == digest(json.dumps(document, indent=2, sort_keys=True))


def test_key_order_makes_no_difference() -> None:
    assert digest('{"a": 1, "b": {"c": 2, "d": 3}}') == digest('{"b": {"d": 3, "c": 2}, "a": 1}')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18446744073709551616", "18446744073709551617"),
        ("0.12345678901234567890", "0.12345678901234567891"),
        ("1.00000000000000000000000000000000000001", "1.00000000000000000000000000000000000002"),
        ("9007199254740992.1", "9007199254740992.2"),
        ('"1"', "1"),
    ],
)
def test_events_that_differ_only_in_a_long_number_have_different_identities(one: str, other: str) -> None:
    assert digest(f'{{"n": {one}}}') != digest(f'{{"n": {other}}}')


@pytest.mark.parametrize(
    "value",
    ['"\\ud800"', "9" * 5000, "1e99999999999999999999", "1e400", "[" * 200 + "]" * 200],
    ids=lambda text: text[:9],
)
def test_legal_json_that_few_parsers_take_has_an_identity(value: str) -> None:
    assert len(digest(f'{{"a": {value}}}')) == 16


def test_a_lone_surrogate_in_an_id_header_is_an_id() -> None:
    assert len(derive_event_id(b"{}", "\ud800", {"eventId": "\ud800"}, DEFAULT_ID_HEADERS)) == 16


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "NaN-"])
def test_what_is_not_usable_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        canonical_json(text.encode())


def test_a_uuid_in_an_id_header_is_the_identity() -> None:
    wanted = "0192f0c1-2b6e-7cc3-98b4-0f0e0d0c0b0a"
    found = derive_event_id(b"{}", "T", {"X-Event-Id": wanted.upper()}, DEFAULT_ID_HEADERS)
    assert format_event_id(found) == wanted
    assert uuid.UUID(bytes=found) == uuid.UUID(wanted)


def test_equal_numbers_of_two_types_do_not_collide() -> None:
    headers = {"eventId": 1}
    assert derive_event_id(b"{}", "A", headers, DEFAULT_ID_HEADERS) != derive_event_id(
        b"{}", "B", headers, DEFAULT_ID_HEADERS
    )


@pytest.mark.parametrize("useless", [{"eventId": ""}, {"eventId": None}, {"eventId": True}, {"eventId": ["x"]}, {}])
def test_a_header_that_holds_no_id_falls_back_to_the_digest(useless: dict[str, Any]) -> None:
    assert derive_event_id(b'{"a":1}', "T", useless, DEFAULT_ID_HEADERS) == digest('{"a":1}')


LITERALS = st.sampled_from(
    [
        "18446744073709551616",
        "0.12345678901234567890",
        "1e400",
        '"\\ud800"',
        "................",
        "1" * 15,
        '"' + "1" * 16 + '"',
    ]
)


@given(JSON, LITERALS, st.text(max_size=20))
def test_a_document_that_is_decoded_already_gives_the_same_identity(value: Any, literal: str, text: str) -> None:
    payload = b'{"data": %s, "x": %s, "y": %s}' % (
        json.dumps(value).encode(),
        (literal if literal[0] != "." else json.dumps(literal)).encode(),
        json.dumps(text).encode(),
    )
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        document = None
    for id_headers in (DEFAULT_ID_HEADERS, ()):
        expected = derive_event_id(payload, "T", {}, id_headers)
        assert derive_event_id(payload, "T", {}, id_headers, document=document) == expected


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,21})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(st.lists(NUMBERS | JSON.map(json.dumps), max_size=5))
def test_the_fast_way_is_taken_only_where_it_loses_nothing(values: list[str]) -> None:
    payload = f'{{"a": [{",".join(values)}]}}'.encode()
    assert canonical_json(payload) == _slow_canonical_json(payload)


@given(NUMBERS, NUMBERS)
def test_numbers_that_differ_have_different_identities(one: str, other: str) -> None:
    assume(math.isfinite(float(one)) and math.isfinite(float(other)))
    equal = Decimal(one) == Decimal(other)
    assume(equal or abs(Decimal(one)) > Decimal("1e-300") < abs(Decimal(other)))  # beyond, a double knows only zero
    if not equal:
        assert digest(f'{{"n": {one}}}') != digest(f'{{"n": {other}}}')


@pytest.mark.parametrize("literal", ["4611686018427387905", "-9223372036854775808", '"1234567890123456"'])
def test_exact_long_integers_take_the_fast_way(literal: str) -> None:
    assert not _may_lose_digits(b'{"n":%s}' % literal.encode())


@pytest.mark.parametrize(
    ("data", "identity"),
    [
        (b'{"a":1,"b":[1.5,null,"\xc3\xa9"]}', "57c3861d-f082-f941-0980-fd8e9191d2e8"),
        (b'{"iban":"ES9121000418450200051332"}', "e1162d30-e3f8-3f55-c91e-f91320e7ac5a"),
        (b'{"n":18446744073709551616,"s":"\\ud800"}', "3934090c-57d6-e397-3ffe-fdabc0708852"),
    ],
)
def test_identities_stay_what_they_were_stored_as(data: bytes, identity: str) -> None:
    payload = b'{"headers":{"type":"T"},"data":' + data + b"}"
    assert format_event_id(derive_event_id(payload, "T", {}, ())) == identity


@given(st.binary(min_size=16, max_size=16))
def test_an_identity_is_printed_as_a_uuid(event_id: bytes) -> None:
    assert format_event_id(event_id) == str(uuid.UUID(bytes=event_id))


def test_a_dead_letter_is_sent_again_under_one_other_id_for_ever() -> None:
    identity = bytes(range(16))
    assert format_event_id(replay_event_id(identity)) == "3e04b013-2306-1a33-ed37-6cc0b3f50a3d"
    assert replay_event_id(replay_event_id(identity)) not in {identity, replay_event_id(identity)}
