"""Making a payload storable: what MySQL's JSON type or UTF-8 cannot hold is removed, what is legal stays as sent.

Most payloads need nothing, and cheap scans of their bytes prove it; they keep their original JSON text. Only a suspect
is parsed into number literals and text, repaired and written again, every untouched number with its own digits.
"""

import json
import re
from json.encoder import encode_basestring
from typing import Any, NamedTuple

import orjson

MAX_DEPTH = 100
"""Levels of objects and arrays that MySQL's JSON type takes."""
MAX_KEY_CHARACTERS = 16_377
"""MySQL takes object keys of 65,535 bytes; a character has at most 4, and metadata puts `event.` before some keys."""
MAX_NOTES = 100
"""Changes listed one by one in metadata.sanitized; the rest is counted."""
_MAX_PATH_CHARACTERS = 200

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1
_SHORTEST_UNSAFE_INTEGER = 19  # digits of 2**63

# Scans that each have a literal to look for cost a fortieth of one alternation. Where one finds something, a second
# looks closer: digits in hexadecimal ids or account numbers are no numbers.
_SUSPECT_ESCAPE = re.compile(rb"\\(?:[bf]|u00[01])")
_ZERO_EXPONENT = re.compile(rb"0[eE]\+?[0-9]{3}")
_ZERO_LITERAL = re.compile(rb"[:,\[]\s*-?0[0.]*[eE]\+?[0-9]{3}")
_DIGITS = re.compile(rb"[0-9]+")
_BEFORE_A_NUMBER = b":,[- \t\n\r"
_GOES_ON_AS_DOUBLE = b".eE"
_MINUS = ord("-")
_DIGITS_TO_ZERO = bytes(ord("0") if chr(byte) in "0123456789" else byte for byte in range(256))
_LONG_DIGITS = b"0" * _SHORTEST_UNSAFE_INTEGER

_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_FRACTION_AND_EXPONENT = re.compile(r"-?[0-9]+(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_MAX_DOUBLE_EXPONENT = 308


class _Place(NamedTuple):
    """Where a value stands; None in its stead is the document."""

    parent: "_Place | None"
    step: str | int
    """Key or index in the parent."""


type Note = dict[str, str]
"""One change: `path` of the value in the event, `what` was done to it."""


class InvalidJsonError(ValueError):
    """The payload is not JSON in UTF-8; the sentence says where."""


class TooDeepError(ValueError):
    """The payload is nested deeper than MAX_DEPTH."""


def read_json(payload: bytes, max_string_length: int) -> tuple[bytes, Any, list[Note]]:
    """Return storable JSON text, what it holds, and the list of changes (empty: the text is the payload itself).

    Raises
    ------
    InvalidJsonError
        If the payload is not JSON in UTF-8.
    TooDeepError
        If objects and arrays are nested deeper than MAX_DEPTH.
    """
    _check_depth(payload)
    if not _is_suspect(payload, max_string_length):
        try:
            return payload, orjson.loads(payload), []
        except orjson.JSONDecodeError:
            pass  # either no JSON or a lone surrogate or a number beyond a double: the slow way tells
    text, notes = _sanitize(payload, max_string_length)
    try:
        return text, orjson.loads(text), notes
    except orjson.JSONDecodeError as error:
        raise InvalidJsonError(str(error)) from error


def _check_depth(payload: bytes) -> None:
    if payload.count(b"{") + payload.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", payload)):
        depth += 1 if bracket in b"{[" else -1
        if depth > MAX_DEPTH:
            raise TooDeepError(f"event: nested deeper than {MAX_DEPTH} levels")


def _is_suspect(payload: bytes, max_string_length: int) -> bool:
    return (
        len(payload) > min(max_string_length, MAX_KEY_CHARACTERS)
        or _has_suspect_escape(payload)
        or ((b"0e" in payload or b"0E" in payload) and _has_large_zero(payload))
        or _has_unsafe_integer(payload)
    )


def _has_suspect_escape(payload: bytes) -> bool:
    """Look behind single backslashes only: a pair is the text of one backslash, which every event type is full of."""
    single = payload.replace(b"\\\\", b"")
    return b"\\" in single and _SUSPECT_ESCAPE.search(single) is not None


def _has_large_zero(payload: bytes) -> bool:
    return _ZERO_EXPONENT.search(payload) is not None and _ZERO_LITERAL.search(payload) is not None


def _has_unsafe_integer(payload: bytes) -> bool:
    """Look at runs of digits only; one within text may be taken for a number, and then the slow way decides."""
    digits = payload.translate(_DIGITS_TO_ZERO)
    start = digits.find(_LONG_DIGITS)
    while start >= 0:
        run = _DIGITS.match(payload, start)
        if run is None:
            return True
        end = run.end()
        is_number = start > 0 and payload[start - 1] in _BEFORE_A_NUMBER
        is_double = end < len(payload) and payload[end] in _GOES_ON_AS_DOUBLE
        if is_number and not is_double:
            sign = "-" if payload[start - 1] == _MINUS else ""
            if _number_problem(sign + run[0].decode()):
                return True
        start = digits.find(_LONG_DIGITS, end)
    return False


class _Number:
    """A number as it stood in the text. No subclass of str, which the compiler of the image could not compile."""

    __slots__ = ("literal",)

    def __init__(self, literal: str) -> None:
        self.literal = literal


def _refuse_constant(name: str) -> None:
    raise InvalidJsonError(f"{name} is no JSON")


def _sanitize(payload: bytes, max_string_length: int) -> tuple[bytes, list[Note]]:
    try:
        document = json.loads(
            payload.decode("utf-8"), parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as not_text:
        raise InvalidJsonError(f"not UTF-8 at byte {not_text.start}") from not_text
    except json.JSONDecodeError as not_json:
        raise InvalidJsonError(str(not_json)) from not_json
    writer = _Writer(max_string_length)
    text = writer.write(document, None)
    return (text.encode("utf-8"), writer.listed()) if writer.changes else (payload, [])


class _Writer:
    """Writes a document as JSON text and notes what it had to change."""

    def __init__(self, max_string_length: int) -> None:
        self._limit = max_string_length
        self._notes: list[Note] = []
        self.changes = 0

    def listed(self) -> list[Note]:
        """Return the notes; beyond MAX_NOTES one last note counts the others."""
        more = self.changes - len(self._notes)
        return [*self._notes, {"path": "", "what": f"{more} more changes"}] if more else self._notes

    def write(self, value: Any, place: _Place | None) -> str:
        """Return the JSON text of a value."""
        if isinstance(value, _Number):
            return self._number(value.literal, place)
        if isinstance(value, str):
            return encode_basestring(self._string(value, place, self._limit))
        if isinstance(value, dict):
            return self._object(value, place)
        if isinstance(value, list):
            return "[" + ",".join([self.write(item, _Place(place, index)) for index, item in enumerate(value)]) + "]"
        return {None: "null", True: "true", False: "false"}[value]

    def _object(self, value: dict[str, Any], place: _Place | None) -> str:
        members: dict[str, str] = {}
        for key, item in value.items():
            here = _Place(place, key)
            legal = self._string(key, here, MAX_KEY_CHARACTERS)
            if legal != key:
                legal = _unused(legal, value, members)
            members[legal] = self.write(item, here)
        return "{" + ",".join([f"{encode_basestring(key)}:{text}" for key, text in members.items()]) + "}"

    def _string(self, value: str, place: _Place | None, limit: int) -> str:
        if len(value) <= limit and _ILLEGAL.search(value) is None:
            return value
        legal, removed = _ILLEGAL.subn("", value)
        if removed:
            self._note(place, f"removed {removed} illegal characters")
        if len(legal) > limit:
            self._note(place, f"cut from {len(legal)} to {limit} characters")
            legal = legal[:limit]
        return legal

    def _number(self, literal: str, place: _Place | None) -> str:
        problem = _number_problem(literal)
        if problem is None:
            return literal
        self._note(place, f"{problem}, kept as text")
        return encode_basestring(self._string(literal, place, self._limit))

    def _note(self, place: _Place | None, what: str) -> None:
        self.changes += 1
        if len(self._notes) < MAX_NOTES:
            self._notes.append({"path": _ILLEGAL.sub("", _path(place)), "what": what})


def _path(place: _Place | None) -> str:
    if place is None:
        return ""
    parent, step = place
    above = _path(parent)
    if isinstance(step, int):
        return f"{above}[{step}]"
    return f"{above}.{step}"[-_MAX_PATH_CHARACTERS:] if above else step[:_MAX_PATH_CHARACTERS]


def _number_problem(literal: str) -> str | None:
    digits = literal.removeprefix("-")
    if digits.isdigit():
        if len(digits) <= len(str(_INTEGER_MAX)) and _INTEGER_MIN <= int(literal) <= _INTEGER_MAX:
            return None
        return "integer beyond 64 bits"
    value = float(literal)
    if value in (float("inf"), float("-inf")) or (value == 0 and _mysql_refuses_zero(literal)):
        return "number beyond a double"
    return None


def _mysql_refuses_zero(literal: str) -> bool:
    """Tell whether a zero has so large an exponent that MySQL reports an overflow without reading the digits."""
    match = _FRACTION_AND_EXPONENT.fullmatch(literal)
    if match is None or match[2] is None or match[2].startswith("-"):
        return False
    exponent = match[2].removeprefix("+").lstrip("0")
    return len(exponent) > 6 or int(exponent or "0") > _MAX_DOUBLE_EXPONENT + len(match[1] or "")


def _unused(key: str, original: dict[str, Any], written: dict[str, str]) -> str:
    """Return a key that collides with none, so that repairing one member never overwrites another."""
    candidate, number = key, 2
    while candidate in original or candidate in written:
        candidate, number = f"{key[: MAX_KEY_CHARACTERS - 12]}~{number}", number + 1
    return candidate
