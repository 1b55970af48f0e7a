r"""JSON text without decoding what is not needed: array elements as slices, nesting, and what fast parsers refuse.

msgspec and orjson are right for nearly every event, but both refuse legal JSON: a lone surrogate (`"\ud800"`), a
number beyond a double. Whatever they refuse is judged again here by the standard library before anybody is told it is
wrong.
"""

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
import orjson

_RAW_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
# Possessive quantifiers: a string without an end costs one pass, not one pass per position.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},"]', re.DOTALL)
_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
_CLOSER = {ord("["): ord("]"), ord("{"): ord("}")}
_WHITESPACE = b" \t\n\r"
_MAX_INTEGER_DIGITS = 4000
"""Python refuses to convert more than 4300 digits; longer integers are kept as Decimal."""


class NotJSONError(ValueError):
    """The text is no JSON; the sentence says where."""


class NotAnArrayError(ValueError):
    """The text is JSON, but its outermost value is no array."""


class UnusableJSONError(ValueError):
    """One value is written like JSON and has clear ends, but something in it is not allowed; the sentence says what."""


def split_array(body: bytes) -> list[bytes]:
    """Return the elements of a JSON array as the bytes the client sent, without the white space around them.

    The elements are only told apart, not judged: each must go through `parse`.

    Raises
    ------
    NotJSONError
        If the elements cannot be told apart.
    NotAnArrayError
        If the text begins like another JSON value.
    """
    try:
        return [bytes(raw) for raw in _RAW_ARRAY.decode(body)]
    except msgspec.ValidationError as error:
        raise NotAnArrayError(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        elements = _scan_array(body)
        if elements is None:
            reason = str(error) if isinstance(error, msgspec.DecodeError) else "brackets do not match"
            raise NotJSONError(reason) from error
        return elements


def _scan_array(body: bytes) -> list[bytes] | None:
    """Split by brackets, commas and strings alone, without recursion; None if they do not make an array."""
    text = body.strip(_WHITESPACE)
    if not text.startswith(b"["):
        return None
    elements: list[bytes] = []
    expected = bytearray()  # the closing brackets still to come: a byte for each level
    start = 1
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in _CLOSER:
            expected.append(_CLOSER[first])
        elif first in b"]}":
            if expected.pop() != first:
                return None
            if not expected:
                return _finish(elements, text, start, token.start())
        elif first == ord(",") and len(expected) == 1:
            elements.append(text[start : token.start()].strip(_WHITESPACE))
            start = token.end()
        elif token[0] == b'"':
            return None  # a quote that no other quote closes
    return None


def _finish(elements: list[bytes], text: bytes, start: int, end: int) -> list[bytes] | None:
    last = text[start:end].strip(_WHITESPACE)
    if last or elements:
        elements.append(last)
    complete = end + 1 == len(text) and all(elements)
    return elements if complete else None


def nesting(text: bytes, enough: int) -> int:
    """Return how many arrays and objects are open at the deepest place, or any number up to `enough` if it is no more.

    Counting brackets answers for nearly every event; only where there are many, strings are told from brackets.
    """
    if text.count(b"{") + text.count(b"[") <= enough:
        return enough
    depth = deepest = 0
    for token in _BRACKET.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest


def parse(text: bytes) -> Any:
    """Return the decoded value of one element whose nesting has been checked.

    Numbers may come back rounded: the value is there to be looked at, what is kept is the text.

    Raises
    ------
    UnusableJSONError
        If it holds NaN or Infinity, or bytes that are not UTF-8: its neighbours are not affected.
    NotJSONError
        If it is no JSON at all.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _parse_with_stdlib(text)


def _parse_with_stdlib(text: bytes) -> Any:
    constants: list[str] = []
    try:
        value = json.loads(
            text.decode("utf-8", "replace"), parse_constant=constants.append, parse_int=_integer, parse_float=float
        )
    except json.JSONDecodeError as error:
        raise NotJSONError(f"{error.msg} (character {error.pos} of the event)") from error
    if constants:
        raise UnusableJSONError(f"{constants[0]} is not JSON; send null or leave the field out")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnusableJSONError(f"byte {error.start} of the event is not UTF-8") from error
    return value


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else Decimal(digits)
