"""Numbers that MySQL's JSON type would change.

It keeps integers from -2**63 to 2**64-1 and everything else as a double (measured on 9.7: doubles keep every bit).
"""

import re
from decimal import Decimal, InvalidOperation

_MAY_BE_INEXACT = re.compile(r"[0-9][0-9.]{15}|[0-9][eE][+-]?[0-9]{3}")
"""15 decimal digits always survive a double; fewer digits with a huge exponent may underflow."""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MIN_INTEGER = -(2**63)
_MAX_INTEGER = 2**64 - 1


def exact_text(document: str) -> str | None:
    """Return the JSON text when MySQL's JSON would change a number of it, else None.

    What is returned for text that is no JSON is of no account: MySQL refuses the row and says why.
    """
    outside = _outside_strings(document)
    if not _MAY_BE_INEXACT.search(outside):
        return None
    return document if any(_changes(literal) for literal in _NUMBER.findall(outside)) else None


def _changes(literal: str) -> bool:
    try:
        exact = Decimal(literal)
    except InvalidOperation:
        return True  # an exponent that not even Decimal has
    if literal.lstrip("-").isdigit():
        return not _MIN_INTEGER <= exact <= _MAX_INTEGER
    return exact != Decimal(repr(float(literal)))


def _outside_strings(document: str) -> str:
    """Return valid JSON text without its strings, in which ids are full of digits."""
    if "\\" in document:
        # Pairs of backslashes first: the quote behind them ends its string.
        document = document.replace("\\\\", "").replace('\\"', "")
    return "".join(document.split('"')[::2])
