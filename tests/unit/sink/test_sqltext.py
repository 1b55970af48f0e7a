# ruff: noqa: DTZ001 -- as in MySQL, whose DATETIME has no zone; all are UTC
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysql.connections import Connection
from pymysql.constants import SERVER_STATUS

from holded_sink.sqltext import row_text

TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(["'", "''", "\\", "\\'", '"', "\0", "%s", "🙏'"])
VALUES = (
    st.none()
    | TEXTS
    | st.binary()
    | st.integers(-(2**63), 2**64)
    | st.decimals(-(10**30), 10**30, places=4)
    | st.datetimes(datetime(1000, 1, 1))
    | st.dates(date(1000, 1, 1))
)


def drivers_text(values: tuple) -> bytes:
    """Return what PyMySQL makes of a row in the sink's session."""
    connection: Any = Connection(defer_connect=True, charset="utf8mb4")
    connection.server_status = SERVER_STATUS.SERVER_STATUS_NO_BACKSLASH_ESCAPES
    row = ",".join(["%s"] * len(values))
    text: str = connection.cursor().mogrify(f"({row})", values)
    return text.encode()


@settings(deadline=None)
@given(st.lists(VALUES.filter(lambda value: not isinstance(value, datetime)), min_size=1).map(tuple))
def test_a_row_is_what_the_driver_would_make_of_it(values):
    assert row_text(values) == drivers_text(values)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 23, 12, 0, 0, 1), b"('2026-11-23 12:00:00.000001')"),
        (datetime(2026, 11, 23), b"('2026-11-23 00:00:00')"),
    ],
)
def test_a_moment_is_mysqls_own_form(moment, text):
    assert row_text((moment,)) == text


def test_a_type_that_no_column_has_is_a_bug():
    with pytest.raises(KeyError):
        row_text((1.5,))


def test_decimals_never_have_an_exponent():
    assert row_text((Decimal(0).scaleb(-4), Decimal("-0.0001"))) == b"(0.0000,-0.0001)"
