"""Kubernetes quantities in the form in which the API server stores them.

What we render must equal what we read back, or every pass would see drift. The rules are those of
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/: no fraction, the largest suffix that
loses nothing; binary suffixes stay binary, except below 1024; an exponent stays an exponent (a multiple of three).
"""

import re
from decimal import ROUND_CEILING, Decimal

_FORM = re.compile(r"^(?P<number>[0-9.]+)(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = Decimal("1e-9")


def value(quantity: str) -> Decimal:
    """Return the number a quantity stands for, rounded up to 1e-9 as Kubernetes does.

    Raises
    ------
    ValueError
        If it is not a quantity.
    """
    number, suffix = _parse(quantity)
    if suffix in _BINARY:
        scaled = number * Decimal(1024) ** _BINARY[suffix]
    elif suffix in _DECIMAL:
        scaled = number.scaleb(_DECIMAL[suffix])
    else:
        scaled = number.scaleb(int(suffix[1:]))
    return scaled.quantize(_NANO, rounding=ROUND_CEILING)


def canonical(quantity: str) -> str:
    """Return the form the API server answers with, e.g. 1000m becomes 1 and 1.5Gi becomes 1536Mi."""
    _, suffix = _parse(quantity)
    amount = value(quantity)
    if amount == 0:
        return "0"
    if suffix in _BINARY and amount >= 1024 and amount == amount.to_integral_value():
        return _with_binary_suffix(int(amount))
    exponent = _largest_exponent(amount)
    digits = str(int(amount.scaleb(-exponent)))
    if suffix[:1] in {"e", "E"} and suffix != "E":
        return digits if exponent == 0 else f"{digits}e{exponent}"
    names = {power: name for name, power in _DECIMAL.items()}
    return digits + names[exponent]


def _parse(quantity: str) -> tuple[Decimal, str]:
    match = _FORM.match(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a Kubernetes quantity such as 500m or 192Mi")
    return Decimal(match["number"]), match["suffix"] or ""


def _with_binary_suffix(amount: int) -> str:
    for name, power in reversed(_BINARY.items()):
        if amount % 1024**power == 0:
            return f"{amount // 1024**power}{name}"
    return str(amount)


def _largest_exponent(amount: Decimal) -> int:
    for exponent in reversed(_DECIMAL.values()):
        scaled = amount.scaleb(-exponent)
        if scaled == scaled.to_integral_value():
            return exponent
    return -9
