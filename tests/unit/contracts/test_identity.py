"""What the identity of an event promises."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_contracts.identity import DEFAULT_ID_HEADERS, canonical_json, derive_event_id, format_event_id

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
