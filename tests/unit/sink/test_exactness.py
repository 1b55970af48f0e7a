import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_sink.exactness import exact_text


@pytest.mark.parametrize(
    "document",
    [
        '{"n": 18446744073709551616}',
        '{"n": -9223372036854775809}',
        '{"n": 0.12345678901234567890}',
        '{"n": 1e-400}',
        '{"n": [1, {"m": 100000000000000000000000}]}',
        '{"n": ' + "9" * 5000 + "}",
        '{"n": 1e99999999999999999999}',
        '{"quote": "\\\\", "n": 18446744073709551616}',
        '{"quote": "\\\\\\"", "n": 18446744073709551616}',
    ],
)
def test_a_document_with_a_number_json_columns_change_is_kept_as_text(document):
    assert exact_text(document) == document


@pytest.mark.parametrize(
    "document",
    [
        '{"n": 18446744073709551615, "m": -9223372036854775808}',
        '{"n": 0.1, "m": 1.50, "k": 1e10, "l": -0.0}',
        '{"card": "41111111111111111111", "note": "1e-999"}',
        '{"n": 0.30000000000000004}',
        '{"id": "\\"12345678901234567890", "n": 1}',
    ],
)
def test_other_documents_are_not_stored_twice(document):
    assert exact_text(document) is None


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(min_value=-(2**63), max_value=2**64 - 1))
def test_what_a_double_or_64_bits_hold_is_exact(number):
    assert exact_text(json.dumps({"n": number})) is None


@given(st.integers(min_value=2**64))
def test_larger_integers_never_are(number):
    document = json.dumps([number, -number])
    assert exact_text(document) == document
