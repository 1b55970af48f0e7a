"""Corrections of an event's JSON by JSONPath (RFC 9535): pure; every number that is not touched keeps its digits."""

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from jsonpath import CompoundJSONPath, JSONPath, JSONPathEnvironment, JSONPathMatch
from jsonpath.exceptions import JSONPathError
from jsonpath.selectors import NameSelector

_PATHS = JSONPathEnvironment(strict=True)
_LOOKS_LIKE_JSON = re.compile(r"[\[{\"]|-?[0-9]+(\.|$)")
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1
_MAX_SHOWN = 80
_INDEX = re.compile(r"\[[0-9]+\]")


class PatchError(ValueError):
    """A patch cannot be read, or does not fit an event; the sentence says which part."""


@dataclass(frozen=True)
class Patch:
    """One correction."""

    text: str
    """As it was given."""
    path: JSONPath | CompoundJSONPath
    value: Any = None
    removes: bool = False


@dataclass(frozen=True)
class Change:
    """What a patch did at one place."""

    path: str
    before: str | None
    """JSON, shortened; None where there was nothing."""
    after: str | None

    def __str__(self) -> str:
        return f"{self.path}: {_or_nothing(self.before)} → {_or_nothing(self.after)}"

    @property
    def place(self) -> str:
        """The path without indices: it names fields and holds nothing of the event's content."""
        return _INDEX.sub("[*]", self.path)


def set_patch(text: str) -> Patch:
    """Return the patch of `PATH=VALUE`. The value is JSON, or text where it does not look like JSON.

    Raises
    ------
    PatchError
        If no part before a `=` is a JSONPath, or the value is JSON cut short.
    """
    error: Exception | None = None
    for match in re.finditer("=", text):
        try:
            path = _PATHS.compile(text[: match.start()].strip())
        except JSONPathError as problem:
            error = problem
            continue
        return Patch(text, path, _value(text[match.end() :]))
    raise PatchError(f"--set {text}: expected PATH=VALUE, e.g. $.data.amount=12.5{_first_line(error)}")


def delete_patch(text: str) -> Patch:
    """Return the patch that removes what a path leads to; raises PatchError if it is no JSONPath."""
    try:
        return Patch(text, _PATHS.compile(text.strip()), removes=True)
    except JSONPathError as error:
        raise PatchError(f"--delete {text}: no JSONPath{_first_line(error)}") from error


def read(payload: bytes) -> Any:
    """Return what JSON holds, with numbers exact: int where 64 bits hold it, else Decimal.

    Raises
    ------
    PatchError
        If it is no JSON.
    """
    try:
        return json.loads(payload.decode(), parse_int=_integer, parse_float=Decimal, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise PatchError(f"the payload is not UTF-8 at byte {error.start}") from error
    except ValueError as error:
        raise PatchError(f"the payload is no JSON: {error}") from error
    except RecursionError as error:
        raise PatchError("the payload is nested too deep to be read") from error


def write(document: Any) -> bytes:
    """Return the JSON text of what `read` returned.

    Raises
    ------
    PatchError
        If a text in it has half of a surrogate pair, which UTF-8 cannot hold.
    """
    try:
        return orjson.dumps(document, default=_number)
    except orjson.JSONEncodeError as error:
        raise PatchError(f"cannot be written as JSON: {error}; set the text that has it") from error


def apply(payload: bytes, patches: Sequence[Patch]) -> tuple[bytes, list[Change]]:
    """Return the corrected payload and what was changed; without patches it is the payload, byte for byte.

    Raises
    ------
    PatchError
        If the payload is no JSON, or a path leads nowhere in it.
    """
    document = read(payload)
    changes: list[Change] = []
    for patch in patches:
        found = _remove(document, patch) if patch.removes else _set(document, patch)
        if not found:
            raise PatchError(f"{patch.text}: the path leads nowhere in this event")
        changes += found
    return (write(document) if changes else payload), changes


def _set(document: Any, patch: Patch) -> list[Change]:
    changes = []
    for match in list(patch.path.finditer(document)):
        container, key = _place(match, patch)
        before = _shown(container[key])
        container[key] = deepcopy(patch.value)
        changes.append(Change(match.path, before, _shown(patch.value)))
    return changes or _add(document, patch)


def _add(document: Any, patch: Patch) -> list[Change]:
    """Add a member that is missing, where the path names it and all that is above it is there."""
    if not isinstance(patch.path, JSONPath) or not patch.path.singular_query() or not patch.path.segments:
        return []
    *above, last = patch.path.segments
    (selector,) = last.selectors
    if not isinstance(selector, NameSelector):
        return []
    changes = []
    for match in list(JSONPath(env=_PATHS, segments=above).finditer(document)):
        container: Any = match.obj
        if isinstance(container, dict):
            container[selector.name] = deepcopy(patch.value)
            changes.append(Change(str(patch.path), None, _shown(patch.value)))
    return changes


def _remove(document: Any, patch: Patch) -> list[Change]:
    changes = []
    # From the end, so that indices of what is still to be removed from an array stay right.
    for match in reversed(list(patch.path.finditer(document))):
        container, key = _place(match, patch)
        changes.append(Change(match.path, _shown(match.obj), None))
        del container[key]
    return changes[::-1]


def _place(match: JSONPathMatch, patch: Patch) -> tuple[Any, Any]:
    if match.parent is None:
        raise PatchError(f"{patch.text}: the event as a whole cannot be set or deleted")
    return match.parent.obj, match.parts[-1]


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_integer, parse_float=Decimal, parse_constant=_refuse)
    except ValueError as error:
        if _LOOKS_LIKE_JSON.match(text):
            raise PatchError(f"--set: the value {text} is no JSON: {error}; put quotes around text") from error
        return text


def _integer(digits: str) -> int | Decimal:
    exact = Decimal(digits)  # Python refuses to convert more than 4300 digits to int
    small = len(digits) <= len(str(_MIN_INTEGER)) and digits != "-0" and _MIN_INTEGER <= exact <= _MAX_INTEGER
    return int(digits) if small else exact


def _number(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(type(value).__name__)
    return orjson.Fragment(str(value).encode())


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _shown(value: Any) -> str:
    try:
        text = write(value).decode()
    except PatchError:  # it is replaced just because of that
        text = ascii(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _or_nothing(text: str | None) -> str:
    return "nothing" if text is None else text


def _first_line(error: Exception | None) -> str:
    return "" if error is None else f" ({str(error).splitlines()[0]})"
