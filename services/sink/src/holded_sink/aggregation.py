"""Increments of the summaries: pure sums that MySQL adds to what it has.

Amounts and quality scores are integers in units of 10**-4 here, so that sums are exact and cheap.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

type SummaryKey = tuple[datetime | date, str, str, str]
"""Start of the bucket, account ('' when unknown), business context, type."""


class Measured(NamedTuple):
    """What the summaries need of one event."""

    occurred_at: datetime
    account_id: str
    business_context: str
    type: str
    amount: int
    """Units of 10**-4; 0 for events without one."""
    quality: int
    """Units of 10**-4."""


@dataclass(slots=True)
class Summary:
    """Totals of some events of one bucket."""

    events: int
    amount: int
    quality: int
    quality_min: int
    last_event_at: datetime


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def summarise(measured: Iterable[Measured], *, daily: bool) -> list[tuple[SummaryKey, Summary]]:
    """Return one summary per hour or day, account, context and type, sorted by key (the order of the primary key)."""
    totals: dict[SummaryKey, Summary] = {}
    for event in measured:
        start = event.occurred_at.date() if daily else hour_of(event.occurred_at)
        key: SummaryKey = (start, event.account_id, event.business_context, event.type)
        total = totals.get(key)
        if total is None:
            totals[key] = Summary(1, event.amount, event.quality, event.quality, event.occurred_at)
            continue
        total.events += 1
        total.amount += event.amount
        total.quality += event.quality
        total.quality_min = min(total.quality_min, event.quality)
        total.last_event_at = max(total.last_event_at, event.occurred_at)
    return sorted(totals.items(), key=lambda item: item[0])


@dataclass(frozen=True, slots=True)
class Increment:
    """One record of the analytics topic."""

    window_start: datetime
    account_id: str
    business_context: str
    type: str
    events: int
    amount: int
    quality: int
    processed_at: datetime


def add_up(increments: Iterable[Increment]) -> list[Increment]:
    """Return one increment per window, account, context and type, sorted by that key."""
    totals: dict[tuple[datetime, str, str, str], Increment] = {}
    for one in increments:
        key = (one.window_start, one.account_id, one.business_context, one.type)
        held = totals.get(key)
        totals[key] = one if held is None else _sum(held, one)
    return [totals[key] for key in sorted(totals)]


def _sum(one: Increment, other: Increment) -> Increment:
    return Increment(
        one.window_start,
        one.account_id,
        one.business_context,
        one.type,
        one.events + other.events,
        one.amount + other.amount,
        one.quality + other.quality,
        max(one.processed_at, other.processed_at),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """What workers did with one range of a raw partition: one ledger record, or several that follow one another."""

    topic_id: str
    partition: int
    topic: str
    first_offset: int
    next_offset: int
    records: int
    silver: int
    dead_letters: int
    duplicates: int
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class EntrySum:
    """Entries of a batch per raw partition, and what was odd about their ranges."""

    totals: list[Entry]
    repeated: list[Entry]
    """Ranges that were in the ledger before; not in the totals."""
    gaps: list[tuple[Entry, int]]
    """Entries that do not start where the ledger ended, with that offset; in the totals."""


def add_entries(entries: Iterable[Entry], known: dict[tuple[str, int], int]) -> EntrySum:
    """Return the increments of the worker ledger, sorted by raw topic id and partition.

    `known` holds the stored next_offset per (topic_id, partition). A raw partition seen for the first time may start
    anywhere, because raw records expire.
    """
    following = dict(known)
    totals: dict[tuple[str, int], Entry] = {}
    result = EntrySum([], [], [])
    for entry in entries:
        key = (entry.topic_id, entry.partition)
        expected = following.get(key)
        if expected is not None and entry.next_offset <= expected:
            result.repeated.append(entry)
            continue
        if expected is not None and entry.first_offset != expected:
            result.gaps.append((entry, expected))
        following[key] = entry.next_offset
        held = totals.get(key)
        totals[key] = entry if held is None else _join(held, entry)
    result.totals.extend(totals[key] for key in sorted(totals))
    return result


def _join(one: Entry, other: Entry) -> Entry:
    return Entry(
        one.topic_id,
        one.partition,
        other.topic,
        one.first_offset,
        other.next_offset,
        one.records + other.records,
        one.silver + other.silver,
        one.dead_letters + other.dead_letters,
        one.duplicates + other.duplicates,
        max(one.committed_at, other.committed_at),
    )
