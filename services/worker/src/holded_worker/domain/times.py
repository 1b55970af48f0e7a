"""Finding out when an event happened."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from holded_worker.domain.envelope import EARLIEST

OCCURRED_AT_FIELDS = (
    "occurredAt",
    "occurredOn",
    "occurred_at",
    "occurred_on",
    "timestamp",
    "createdAt",
    "created_at",
    "date",
)
"""Fields that may hold the event time, in this order; each is looked up in data, then in headers."""
MAX_FUTURE = 86_400_000_000
"""Microseconds that an event may lie ahead of its receipt: clocks differ, time zones are forgotten."""

_PLACES = tuple((name, f"data.{name}", f"headers.{name}") for name in OCCURRED_AT_FIELDS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# From 1973 on the three units cannot be confused: 1e11 s and 1e14 ms both lie past the year 5000.
_SECONDS_BELOW, _MILLISECONDS_BELOW = 10**11, 10**14
_MIN_EPOCH_DIGITS = 9


class EventTime(NamedTuple):
    """When it happened, and how we know."""

    at: int
    """Microseconds since the epoch, UTC."""
    source: str
    """Path of the field, or received_at."""
    rejected: tuple[str, ...]
    """Paths of fields that held no time or one that cannot be."""


def find_event_time(data: dict[str, Any], headers: dict[str, Any], received_at: int) -> EventTime:
    """Return the first sane time of OCCURRED_AT_FIELDS: from 2000-01-01 to a day after receipt; else the receipt."""
    rejected: tuple[str, ...] = ()
    for name, in_data, in_headers in _PLACES:
        for holder, path in ((data, in_data), (headers, in_headers)):
            value = holder.get(name)
            if value is None:
                continue
            at = parse_time(value)
            if at is not None and EARLIEST <= at <= received_at + MAX_FUTURE:
                return EventTime(at, path, rejected)
            rejected += (path,)
    return EventTime(received_at, "received_at", rejected)


def parse_time(value: Any) -> int | None:
    """Return microseconds since the epoch, None when the value is no time.

    Understood are ISO 8601 text (UTC when it names no zone), epoch seconds, milliseconds or microseconds as number or
    digits, and PHP's serialized DateTime {"date": …, "timezone": …}.
    """
    if isinstance(value, str):
        if value.isascii() and value.isdigit() and len(value) >= _MIN_EPOCH_DIGITS:
            return _from_epoch(int(value)) if len(value) <= 18 else None
        return _from_iso(value, UTC)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _from_epoch(value)
    if isinstance(value, dict) and isinstance(value.get("date"), str):
        name = value.get("timezone", "UTC")
        zone = _zone(name) if isinstance(name, str) else None
        return None if zone is None else _from_iso(value["date"], zone)
    return None


def _from_epoch(value: float) -> int | None:
    if value < 0:
        return None
    if value < _SECONDS_BELOW:
        return round(value * 1_000_000)
    if value < _MILLISECONDS_BELOW:
        return round(value * 1_000)
    return round(value)


def _from_iso(text: str, zone: tzinfo) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return (moment - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)  # a name that is none costs a search in the file system
def _zone(name: str) -> tzinfo | None:
    if name in {"UTC", "Z"}:
        return UTC
    try:
        if name[:1] in {"+", "-"}:
            return datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown; a folder of the zone files; no file name
        return None
