"""From a request's body to accepted events and the reasons of the others. Pure: no clock, no network.

Only the envelope is judged here. Whether the type or the data make sense is the worker's business: what it refuses
becomes a dead letter, which can be sent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from holded_collector.jsontext import NotAnArrayError, NotJSONError, UnusableJSONError, nesting, parse, split_array
from holded_collector.refusal import Refusal
from holded_contracts.canary import CANARY_TYPE
from holded_contracts.identity import derive_event_id
from holded_contracts.settings import CollectorLimits

MAX_TYPE_CHARS = 500
"""Longest headers.type; the column that keeps it is no wider."""

MAX_PATH_CHARS = 500
"""Longest path of a field in an answer."""


class AcceptedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that will be in Kafka before the client hears of it."""

    index: int
    event_id: bytes
    type: str
    payload: bytes
    """The event's JSON as the client sent it."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field; `field` is its path from the event (headers.type), empty for the event itself."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The events of one request; every index is in exactly one of the two."""

    accepted: list[AcceptedEvent] = field(default_factory=list)
    rejected: dict[int, list[FieldProblem]] = field(default_factory=dict)


class _RejectedError(Exception):
    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__()
        self.problems = list(problems)


def judge(body: bytes, limits: CollectorLimits, id_headers: Sequence[str]) -> Judgement:
    """Return which events of a body are accepted, and why the others are not.

    Raises
    ------
    Refusal
        400 if the body is no JSON array, 413 if it has too many elements.
    """
    try:
        slices = split_array(body)
    except NotAnArrayError as error:
        raise Refusal(400, "not_an_array", f"Send a JSON array of events, one event as [event]. {error}.") from error
    except NotJSONError as error:
        raise Refusal(400, "not_json", f"The body is not JSON: {error}.") from error
    if len(slices) > limits.max_events_per_request:
        raise Refusal(
            413,
            "too_many_events",
            f"{len(slices)} events in one request; send at most {limits.max_events_per_request} at a time.",
        )
    judgement = Judgement()
    for index, payload in enumerate(slices):
        try:
            judgement.accepted.append(_judge_event(index, payload, limits, id_headers))
        except _RejectedError as rejected:
            judgement.rejected[index] = rejected.problems
        except NotJSONError as error:
            raise Refusal(400, "not_json", f"The body is not JSON: element {index}: {error}.") from error
    return judgement


def _judge_event(index: int, payload: bytes, limits: CollectorLimits, id_headers: Sequence[str]) -> AcceptedEvent:
    if len(payload) > limits.max_event_bytes:
        raise _rejected("", f"the event has {len(payload)} bytes; at most {limits.max_event_bytes} are allowed")
    if nesting(payload, limits.max_depth) > limits.max_depth:
        raise _rejected("", f"the event is nested deeper than {limits.max_depth} levels")
    event, exact = _decode(payload)
    if len(payload) > limits.max_string_length:  # a string has no more characters than its event has bytes
        _check_strings(event, limits.max_string_length)
    event_type, headers = _check_envelope(event)
    try:
        event_id = derive_event_id(payload, event_type, headers, id_headers, document=event if exact else None)
    except (ValueError, ArithmeticError) as error:
        raise _rejected("", f"no identity can be derived from the event: {type(error).__name__}") from error
    return AcceptedEvent(index, event_id, event_type, payload)


def _decode(payload: bytes) -> tuple[Any, bool]:
    """Return the event and whether orjson decoded it: its identity can then be derived without decoding it again."""
    try:
        return orjson.loads(payload), True
    except orjson.JSONDecodeError:
        try:
            return parse(payload), False
        except UnusableJSONError as error:
            raise _rejected("", str(error)) from error


def _check_envelope(event: Any) -> tuple[str, dict[str, Any]]:
    """Return the type, fit for UTF-8, and the headers."""
    if not isinstance(event, dict):
        raise _rejected("", f"must be an object, not {_kind(event)}")
    problems = []
    headers: Any = event.get("headers")
    event_type: Any = None
    if not isinstance(headers, dict):
        problems.append(FieldProblem("headers", _expected("an object", event, "headers")))
    else:
        event_type = headers.get("type")
        if not isinstance(event_type, str):
            problems.append(FieldProblem("headers.type", _expected("a string", headers, "type")))
        elif not event_type:
            problems.append(FieldProblem("headers.type", "must not be empty"))
        elif len(event_type) > MAX_TYPE_CHARS:
            problems.append(FieldProblem("headers.type", f"must have at most {MAX_TYPE_CHARS} characters"))
        elif event_type == CANARY_TYPE:
            problems.append(FieldProblem("headers.type", "is reserved for the pipeline's own canary: use another type"))
    if not isinstance(event.get("data"), dict):
        problems.append(FieldProblem("data", _expected("an object", event, "data")))
    if problems:
        raise _RejectedError(*problems)
    if not event_type.isascii():
        # A lone surrogate is legal in JSON but not in an Avro string. The payload keeps it, and no valid type has one.
        event_type = event_type.encode("utf-8", "replace").decode("utf-8")
    return event_type, headers


def _check_strings(event: Any, limit: int) -> None:
    """Reject an event with a longer string, naming the first one; recursion is bounded by the depth checked before."""

    def walk(value: Any, path: str) -> None:
        if isinstance(value, str):
            if len(value) > limit:
                raise _rejected(_printable(path), f"has {len(value)} characters; at most {limit} are allowed")
        elif isinstance(value, dict):
            for key, inner in value.items():
                if len(key) > limit:
                    message = f"has a key of {len(key)} characters; at most {limit} are allowed"
                    raise _rejected(_printable(path), message)
                walk(inner, f"{path}.{key}" if path else key)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, f"{path}[{index}]")

    walk(event, "")


def _printable(path: str) -> str:
    """Keys are the client's: they may be long, and hold lone surrogates, which no answer can."""
    cut = path if len(path) <= MAX_PATH_CHARS else f"{path[:MAX_PATH_CHARS]}…"
    return cut.encode("utf-8", "replace").decode("utf-8")


def _rejected(path: str, message: str) -> _RejectedError:
    return _RejectedError(FieldProblem(path, message))


def _expected(what: str, container: dict[str, Any], key: str) -> str:
    return f"must be {what}, not {_kind(container[key])}" if key in container else f"is missing; it must be {what}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
    return names.get(type(value), "a number")
