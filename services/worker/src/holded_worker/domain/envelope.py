"""Opening an event: JSON to validated envelope, or the list of everything that is wrong with it."""

import re
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from holded_contracts.reasons import DeadLetterReason
from holded_worker.domain.event_type import EVENT_TYPE_FORM, EventType, parse_type
from holded_worker.domain.records import RawEvent, Refusal
from holded_worker.domain.sanitize import InvalidJsonError, Note, TooDeepError, read_json

CONTEXT_STAMP = re.compile(r"X-Message-Stamp-.*ContextStamp", re.IGNORECASE | re.DOTALL)
r"""Headers that hold accountId and userId, e.g. X-Message-Stamp-Holded\Shared\…\NewContextStamp."""
_STAMP_BEGINS = frozenset("xX")
MAX_TEXT_LENGTH = 255
"""Characters of account, user, subscription and source; the width of gold's columns."""
EARLIEST = 946_684_800_000_000
"""2000-01-01, microseconds: no event is older."""
LATEST = 4_102_444_800_000_000
"""2100-01-01, microseconds: a collector's clock that passes it is broken."""
MAX_DETAIL_LENGTH = 2_000


class Envelope(NamedTuple):
    """A valid event: parsed, sanitized, and still with its JSON text."""

    type_text: str
    type: EventType
    account_id: str | None
    user_id: str | None
    target_subscription: str | None
    data: dict[str, Any]
    headers: dict[str, Any]
    data_json: bytes
    """The data's own JSON text."""
    headers_json: dict[str, bytes]
    """JSON text of each header."""
    extra_json: dict[str, bytes]
    """JSON text of what stands beside data and headers."""
    sanitized: list[Note]


class _Problem(NamedTuple):
    reason: DeadLetterReason
    text: str


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def open_envelope(event: RawEvent, max_string_length: int) -> Envelope | Refusal:
    """Return the event's envelope, or a refusal that names every problem with its field path."""
    try:
        text, document, sanitized = read_json(event.payload, max_string_length)
    except InvalidJsonError as error:
        return _refuse(event, [_Problem(DeadLetterReason.INVALID_JSON, f"event: {error}")], {})
    except TooDeepError as too_deep:  # a name of its own: to the compiler a name has one type
        return _refuse(event, [_Problem(DeadLetterReason.TOO_DEEP, str(too_deep))], {})
    headers = document.get("headers") if isinstance(document, dict) else None
    if not isinstance(headers, dict):
        return _refuse(event, _envelope_problems(document), {})
    problems = [] if isinstance(document.get("data"), dict) else _envelope_problems(document)
    event_type = _parsed_type(headers, problems)
    subscription = _text(headers.get("targetSubscription"), problems, "headers.targetSubscription")
    account_id, user_id = _context(headers, problems)
    _check_raw_fields(event, problems)
    if problems or event_type is None:
        return _refuse(event, problems, headers)
    members = _MEMBERS.decode(text)
    data_json = bytes(members.pop("data"))
    headers_json = {name: bytes(raw) for name, raw in _MEMBERS.decode(members.pop("headers")).items()}
    return Envelope(
        headers["type"],
        event_type,
        account_id,
        user_id,
        subscription,
        document["data"],
        headers,
        data_json,
        headers_json,
        {name: bytes(raw) for name, raw in members.items()} if members else {},
        sanitized,
    )


def _envelope_problems(document: Any) -> list[_Problem]:
    if not isinstance(document, dict):
        return [_Problem(DeadLetterReason.INVALID_ENVELOPE, f"event: expected an object, found {_kind(document)}")]
    return [
        _Problem(DeadLetterReason.INVALID_ENVELOPE, f"{name}: expected an object, found {_kind(document, name)}")
        for name in ("data", "headers")
        if not isinstance(document.get(name), dict)
    ]


def _parsed_type(headers: dict[str, Any], problems: list[_Problem]) -> EventType | None:
    value = headers.get("type")
    if not isinstance(value, str):
        text = f"headers.type: expected text, found {_kind(headers, 'type')}"
        problems.append(_Problem(DeadLetterReason.INVALID_TYPE, text))
        return None
    parsed = parse_type(value)
    if parsed is None:
        problems.append(_Problem(DeadLetterReason.INVALID_TYPE, f"headers.type: not of the form {EVENT_TYPE_FORM}"))
    return parsed


def context_stamps(headers: dict[str, Any]) -> list[str]:
    """Return the names of the headers that are context stamps."""
    return [name for name in headers if name[:1] in _STAMP_BEGINS and _is_context_stamp(name)]


def _context(headers: dict[str, Any], problems: list[_Problem]) -> tuple[str | None, str | None]:
    """Return account and user of the first stamp that names each; every stamp is checked."""
    account_id = user_id = None
    for name in context_stamps(headers):
        stamp = headers[name]
        if not isinstance(stamp, dict):
            text = f"headers.{name[:200]}: expected an object, found {_kind(stamp)}"
            problems.append(_Problem(DeadLetterReason.INVALID_FIELD, text))
            continue
        account = _identifier(stamp.get("accountId"), problems, name, "accountId")
        user = _identifier(stamp.get("userId"), problems, name, "userId")
        account_id, user_id = account_id or account, user_id or user
    return account_id, user_id


@lru_cache(maxsize=1024)
def _is_short_context_stamp(name: str) -> bool:
    return CONTEXT_STAMP.fullmatch(name) is not None


def _is_context_stamp(name: str) -> bool:
    # Sources send the same few names with each event; those too long to be kept in memory are matched anew.
    if len(name) <= MAX_TEXT_LENGTH:
        return _is_short_context_stamp(name)
    return CONTEXT_STAMP.fullmatch(name) is not None


def _identifier(value: Any, problems: list[_Problem], header: str, member: str) -> str | None:
    """Ids are text or whole numbers; sources that number their accounts exist."""
    if isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH:
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value, problems, f"headers.{header[:200]}.{member}")


def _text(value: Any, problems: list[_Problem], path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        problems.append(_Problem(DeadLetterReason.INVALID_FIELD, f"{path}: expected text, found {_kind(value)}"))
        return None
    if len(value) > MAX_TEXT_LENGTH:
        text = f"{path}: {len(value)} characters, at most {MAX_TEXT_LENGTH} are allowed"
        problems.append(_Problem(DeadLetterReason.INVALID_FIELD, text))
        return None
    return value or None


def _check_raw_fields(event: RawEvent, problems: list[_Problem]) -> None:
    """Check what the collector wrote; other producers may write to the raw topic as well."""
    if not EARLIEST <= event.received_at < LATEST:
        text = "received_at: not between the years 2000 and 2100"
        problems.append(_Problem(DeadLetterReason.INVALID_FIELD, text))
    if event.source is not None and len(event.source) > MAX_TEXT_LENGTH:
        text = f"source: {len(event.source)} characters, at most {MAX_TEXT_LENGTH} are allowed"
        problems.append(_Problem(DeadLetterReason.INVALID_FIELD, text))


def _refuse(event: RawEvent, problems: list[_Problem], headers: dict[str, Any]) -> Refusal:
    """Take the reason from the first problem: they are found from the outside in."""
    sent_type = headers.get("type")
    return Refusal(
        reason=problems[0].reason,
        detail="; ".join(problem.text for problem in problems)[:MAX_DETAIL_LENGTH],
        schema_id=event.schema_id,
        type=(sent_type if isinstance(sent_type, str) else event.type)[:MAX_TEXT_LENGTH] or None,
        account_id=_context(headers, [])[0],
    )


def _kind(value: Any, member: str | None = None) -> str:
    if member is not None:
        if member not in value:
            return "nothing"
        value = value[member]
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
