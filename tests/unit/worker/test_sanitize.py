"""What is illegal is repaired and noted; what is legal is never touched."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_worker.domain.sanitize import MAX_DEPTH, MAX_NOTES, InvalidJsonError, TooDeepError, read_json

LIMIT = 200


def exact(text: bytes):
    return json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize(
    "payload",
    [
        rb'{"a": "it\"s <b>bold</b>; DROP TABLE events;-- \\b \\u0000 \/"}',
        '{"emoji": "👩‍👩‍👧", "ü": "\\u00fc\\ud83d\\ude00", "del": "\x7f", "nbsp": "\u00a0\ufffe"}'.encode(),
        b'{"ws": "\\t\\n\\r", "min": -9223372036854775808, "max": 18446744073709551615}',
        b'{"f": 0.1234567890123456789012345678901234567890, "g": 1e308, "h": 1E-400, "z": -0.0, "o": 1.50}',
        b'{"iban": "ES9121000418450200051332000", "hex": "5f0e123456789012345678900e400"}',
        b'[1, {"a": {}}, [], null, true, false, ""]',
        b'{"a": 1, "a": 2}',
    ],
)
def test_legal_content_keeps_its_own_text(payload):
    text, document, notes = read_json(payload, LIMIT)
    assert text is payload
    assert notes == []
    assert document == json.loads(payload)


@pytest.mark.parametrize(
    ("payload", "expected", "path"),
    [
        (rb'{"data": {"a": "x\u0000\u0007\b\fy"}}', {"data": {"a": "xy"}}, "data.a"),
        (rb'{"data": ["ok", "\ud800x"]}', {"data": ["ok", "x"]}, "data[1]"),
        (rb'{"a\u0001": 1}', {"a": 1}, "a"),
        (rb'{"a\u0001": 1, "a": 2}', {"a~2": 1, "a": 2}, "a"),
        (b'{"n": 18446744073709551616}', {"n": "18446744073709551616"}, "n"),
        (b'{"n": -9223372036854775809}', {"n": "-9223372036854775809"}, "n"),
        (b'{"n":1e400}', {"n": "1e400"}, "n"),
        (b'{"n": 0e309 }', {"n": "0e309"}, "n"),
        (b'{"n": "%s"}' % (b"x" * (LIMIT + 1)), {"n": "x" * LIMIT}, "n"),
        (b'{"n": %s}' % (b"9" * 5000), {"n": "9" * LIMIT}, "n"),
    ],
)
def test_illegal_content_is_repaired_and_noted(payload, expected, path):
    text, document, notes = read_json(payload, LIMIT)
    assert exact(text) == expected
    assert document == expected
    assert notes[0]["path"] == path


def test_numbers_beside_a_repair_keep_their_digits():
    text, _, _ = read_json(
        rb'{"bad": "\u0000", "n": 0.12345678901234567890, "m": 1.50, "k": 12345678901234567890}', LIMIT
    )
    assert text == b'{"bad":"","n":0.12345678901234567890,"m":1.50,"k":12345678901234567890}'


def test_notes_are_bounded():
    payload = json.dumps(["\0"] * 1000).encode()
    _, document, notes = read_json(payload, LIMIT)
    assert document == [""] * 1000
    assert len(notes) == MAX_NOTES + 1
    assert notes[-1]["what"] == "900 more changes"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'"\xff"',
        b'{"a": "\x00"}',
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"'a'",
        b'{"a": 01}',
    ],
)
def test_what_is_no_json_is_refused(payload):
    with pytest.raises(InvalidJsonError):
        read_json(payload, LIMIT)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_limited(opening, closing):
    read_json(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH, LIMIT)
    with pytest.raises(TooDeepError):
        read_json(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1), LIMIT)
    with pytest.raises(TooDeepError):
        read_json(opening * 100_000, LIMIT)


def test_brackets_in_strings_and_side_by_side_are_no_depth():
    payload = json.dumps(["[" * 500, '\\"{' * 500, *([] for _ in range(500))]).encode()
    assert read_json(payload, 65_535)[2] == []


LEGAL_TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters=[chr(c) for c in range(32) if chr(c) not in "\t\n\r"]), max_size=50
)
LEGAL_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | LEGAL_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(LEGAL_TEXT, inner, max_size=5),
    max_leaves=20,
)


@given(LEGAL_JSON, st.booleans())
def test_any_legal_json_is_left_alone(document, ascii_only):
    payload = json.dumps(document, ensure_ascii=ascii_only).encode()
    text, read, notes = read_json(payload, 65_535)
    assert text is payload
    assert notes == []
    assert read == document


@given(
    st.recursive(
        st.none()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec=None)),
        lambda inner: (
            st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=5)
        ),
        max_leaves=20,
    )
)
def test_any_json_becomes_storable_and_stays_so(document):
    text, _, notes = read_json(json.dumps(document).encode(), 64)
    again, _, more = read_json(text, 64)
    assert again == text
    assert more == []
    assert bool(notes) == (exact(text) != exact(json.dumps(document).encode()))
