"""Numbers that MySQL's JSON type would change.

It keeps integers from -2**63 to 2**64-1 and everything else as a double (measured on 9.7: doubles keep every bit).
"""

import json
import re
from decimal import Decimal

_MAY_BE_INEXACT = re.compile(r"[0-9][0-9.]{15,}|[eE][+-]?[0-9]{3}")
"""15 decimal digits always survive a double; fewer digits with a huge exponent may underflow."""

_MIN_INTEGER = -(2**63)
_MAX_INTEGER = 2**64 - 1


def exact_text(document: str) -> str | None:
    """Return the JSON text when MySQL's JSON would change a number of it, else None."""
    if not _MAY_BE_INEXACT.search(document):
        return None
    changed = False

    def whole(literal: str) -> int:
        nonlocal changed
        value = Decimal(literal)
        changed = changed or not _MIN_INTEGER <= value <= _MAX_INTEGER
        return 0

    def fraction(literal: str) -> float:
        nonlocal changed
        value = float(literal)
        changed = changed or Decimal(literal) != Decimal(repr(value))
        return value

    try:
        json.loads(document, parse_int=whole, parse_float=fraction)
    except (ValueError, RecursionError):
        return None  # MySQL will refuse the row and say why
    return document if changed else None
