"""Finding an event's amount and currency, exactly."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from holded_contracts.literals import LONG_RUN, digit_runs
from holded_contracts.wire import AMOUNT_SCALE

AMOUNT_FIELDS = ("amount", "totalAmount", "total_amount", "total", "grandTotal", "grand_total")
"""Fields of data that may hold the amount, in this order: a number, its text, or an object with amount or value."""
CURRENCY_FIELDS = ("currency", "currencyCode", "currency_code")
"""Fields of data, or of the amount's object, that may hold the currency, in this order."""

_STEP = Decimal(1).scaleb(-AMOUNT_SCALE)
_LIMIT = Decimal(10) ** 16  # decimal(20,4)
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EXACT = msgspec.json.Decoder(float_hook=Decimal)


class Money(NamedTuple):
    """What could be read; a note says why an amount or currency that is there was not taken."""

    amount: Decimal | None
    """At most 16 digits before and exactly 4 after the point."""
    currency: str | None
    notes: tuple[str, ...]


_NONE = Money(None, None, ())


def find_money(data: dict[str, Any], data_json: bytes) -> Money:
    """Return amount and currency; the amount is taken from the digits of the JSON text, not from a double."""
    name, value = _first(AMOUNT_FIELDS, data)
    _, currency = _first(CURRENCY_FIELDS, data)
    if name is None and currency is None:
        return _NONE
    if isinstance(value, float) and LONG_RUN not in digit_runs(data_json):
        value = Decimal(repr(value))  # a double gives back so short a literal as it was
    elif isinstance(value, (float, dict)) and name is not None:
        value = _EXACT.decode(_MEMBERS.decode(data_json)[name])
    if isinstance(value, dict):
        if currency is None:
            _, currency = _first(CURRENCY_FIELDS, value)
        value = value.get("amount", value.get("value"))
    notes: list[str] = []
    amount = _amount(value, f"data.{name}", notes) if name is not None else None
    return Money(amount, _currency(currency, notes), tuple(notes))


def _first(names: tuple[str, ...], holder: dict[str, Any]) -> tuple[str | None, Any]:
    for name in names:
        value = holder.get(name)
        if value is not None:
            return name, value
    return None, None


def _amount(value: Any, path: str, notes: list[str]) -> Decimal | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        notes.append(f"{path}: not a number, amount left out")
        return None
    try:
        # Half away from zero, as MySQL rounds decimals.
        rounded = Decimal(value).quantize(_STEP, rounding=ROUND_HALF_UP)
    except InvalidOperation:
        rounded = None
    if rounded is None or abs(rounded) >= _LIMIT:
        notes.append(f"{path}: does not fit decimal(20,{AMOUNT_SCALE}), amount left out")
        return None
    return rounded


def _currency(value: Any, notes: list[str]) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and _CURRENCY.fullmatch(value):
        return value
    notes.append("currency: not an ISO 4217 code, left out")
    return None
