import json
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_collector.jsontext import (
    NotAnArrayError,
    NotJSONError,
    UnusableJSONError,
    _scan_array,
    nesting,
    parse,
    split_array,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON_VALUES, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_both_ways_of_splitting_find_the_elements_of_any_array(
    values: list[object], indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    scanned = _scan_array(body)
    assert scanned is not None
    assert [json.loads(element) for element in scanned] == values
    assert split_array(body) == scanned


def test_slices_are_the_bytes_that_were_sent() -> None:
    assert split_array(b' [ {"a" :  1.0e0}\n,{"b":"\xc3\xa9"} ] ') == [b'{"a" :  1.0e0}', b'{"b":"\xc3\xa9"}']


@pytest.mark.parametrize("body", [b"[]", b" [ ] ", b"[\n]"])
def test_an_empty_array_has_no_elements(body: bytes) -> None:
    assert split_array(body) == []
    assert _scan_array(body) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[",
        b"]",
        b"[1",
        b"[1,]",
        b"[,1]",
        b"[1] 2",
        b'["a]',
        b'[{"a":1]}',
        b"[[}]",
        b'[{"a":1},',
        b'\xef\xbb\xbf[{"a":NaN}]',
        b"[NaN,]",
        b"[NaN]]",
    ],
)
def test_bodies_without_clear_elements_are_refused(body: bytes) -> None:
    with pytest.raises(NotJSONError):
        split_array(body)


@pytest.mark.parametrize("body", [b"{}", b"null", b'"text"', b"5"])
def test_other_values_are_no_array(body: bytes) -> None:
    with pytest.raises(NotAnArrayError):
        split_array(body)


def test_a_depth_bomb_is_split_and_measured_without_recursion() -> None:
    bomb = b'{"a":' * 200_000 + b"1" + b"}" * 200_000
    assert split_array(b'[{"b":1},' + bomb + b"]") == [b'{"b":1}', bomb]
    assert nesting(bomb, 64) == 200_000


def test_a_string_without_an_end_takes_linear_time() -> None:
    started = time.perf_counter()
    with pytest.raises(NotJSONError):
        split_array(b'["' + b'\\"' * 1_000_000)
    assert time.perf_counter() - started < 2.0


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        (b"{}", 1),
        (b'{"a":[{"b":{}}]}', 4),
        (b'{"a":"[[[[[[[[","b":"\\"[[[[[[["}', 1),
        (b"[[],[[]],[]]", 3),
    ],
)
def test_nesting_ignores_brackets_in_strings(text: bytes, depth: int) -> None:
    assert nesting(text, 0) == depth


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":1e400}', {"a": float("inf")}),
        (b'{"a":' + b"9" * 5000 + b"}", {"a": Decimal("9" * 5000)}),
        (b'{"\\ud800":-12345678901234567890123}', {"\ud800": -12345678901234567890123}),
    ],
)
def test_legal_but_odd_json_is_parsed(text: bytes, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_literals_that_are_not_json_make_only_their_element_unusable(literal: str) -> None:
    elements = split_array(f'[{{"a":{literal}}},{{"b":1}}]'.encode())
    assert parse(elements[1]) == {"b": 1}
    with pytest.raises(UnusableJSONError, match=f"^{literal} is not JSON"):
        parse(elements[0])


@pytest.mark.parametrize("text", [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"\xc3":1}'])
def test_bytes_that_are_not_utf8_make_their_element_unusable(text: bytes) -> None:
    with pytest.raises(UnusableJSONError, match="is not UTF-8"):
        parse(text)


@pytest.mark.parametrize("text", [b'{"a":tru}', b"{'a':1}", b'{"a":01}', b'{"a":"\x01"}', b'{"a":1} {"b":2}', b"{,}"])
def test_what_is_not_json_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(NotJSONError):
        parse(text)
