"""Erasing in small transactions, each of which leaves gold exact."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from typing import Any

from holded_cli.days import EARLIEST, LATEST, Days, kept_since, split_by_partition
from holded_cli.erase.buckets import Buckets
from holded_cli.erase.subject import Kind, Subject
from holded_cli.mysql import GoldUnavailableError, Row, Session
from holded_cli.retrying import until_it_commits
from holded_cli.summaries import DAILY, HOURLY, MINUTES, SummaryTable

STARTED, FINISHED = "erase.start", "erase"

_ALL = Days(EARLIEST, LATEST)
_FORGET = "INSERT IGNORE INTO erased_ids (event_id) VALUES (%s)"
_LETTERS = """
    SELECT d.id, d.identity, d.account_id, d.payload, r.payload AS replay_payload
    FROM events_dead_letter AS d LEFT JOIN dead_letter_replays AS r ON r.dead_letter_id = d.id
"""


@dataclass
class Erased:
    """Rows per table."""

    removed: Counter[str] = field(default_factory=Counter)
    adjusted: Counter[str] = field(default_factory=Counter)
    """Buckets that hold events of others, too."""


class Erasure:
    """Removes one account or user from gold.

    `reader` is a second connection: rows stream in on it while batches are committed on the first.
    """

    def __init__(self, session: Session, reader: Session, subject: Subject, *, batch: int) -> None:
        self._session = session
        self._reader = reader
        self._subject = subject
        self._batch = batch
        # An account's minute windows go as a whole; a user's share is taken out of them.
        self._tables = (HOURLY, DAILY) if subject.kind is Kind.ACCOUNT else (HOURLY, DAILY, MINUTES)

    def look(self) -> Erased:
        """Count what would be removed and adjusted; nothing is changed."""
        erased = Erased()
        erased.removed["events"] = self.remaining()
        letters = list(self._letters())
        erased.removed["events_dead_letter"] = len(letters)
        erased.removed["dead_letter_replays"] = sum(row["replay_payload"] is not None for row in letters)
        for table in (HOURLY, DAILY, MINUTES):
            if self._subject.kind is Kind.ACCOUNT:
                rows = self._count(f"FROM {table.name} WHERE account_id = %s", self._subject.id)
                erased.removed[table.name] = rows
            else:
                buckets = f"SELECT DISTINCT {table.bucket_of_event}, account_id, business_context, type"
                rows = self._count(f"FROM ({buckets} FROM events WHERE user_id = %s) AS own", self._subject.id)
                erased.adjusted[table.name] = rows
        return erased

    def run(self, actor: str) -> Erased:
        """Remove everything, with a line in the audit log before and after it."""
        self._audit(actor, STARTED, self.look())
        erased = Erased()
        oldest = kept_since(self._session)
        for piece in split_by_partition(self._session, _ALL):
            for events in batched(self._events(piece), self._batch, strict=False):
                self._add(erased, until_it_commits(partial(self._erase_events, events, oldest)))
        for letters in batched(list(self._letters()), self._batch, strict=False):
            self._add(erased, until_it_commits(partial(self._erase_letters, letters)))
        if self._subject.kind is Kind.ACCOUNT:
            self._remove_rows(erased, MINUTES, "TRUE")
            if oldest is not None:
                # Days that retention has dropped: their summaries have no events any more to be taken out with.
                self._remove_rows(erased, HOURLY, "hour_start < %s", oldest)
                self._remove_rows(erased, DAILY, "event_date < %s", oldest)
        self._audit(actor, FINISHED, erased)
        return erased

    def remaining(self) -> int:
        """Return how many events there are now."""
        return self._count(f"FROM events WHERE {self._subject.column} = %s", self._subject.id)

    def _events(self, days: Days) -> Iterator[Row]:
        buckets = ", ".join(f"{table.bucket_of_event} AS {table.name}" for table in (HOURLY, DAILY, MINUTES))
        query = (
            "SELECT event_id, event_date, COALESCE(account_id, '') AS account, business_context, type, quality_score, "  # noqa: S608 -- names from summaries
            f"COALESCE(amount, 0) AS amount, {buckets} FROM events "
            f"WHERE {self._subject.column} = %s AND event_date BETWEEN %s AND %s"
        )
        return self._reader.stream(query, self._subject.id, days.first, days.last)

    def _erase_events(self, events: tuple[Row, ...], oldest: Any) -> Erased:
        erased = Erased()
        days = [event["event_date"] for event in events]
        places = [(event["event_id"], event["event_date"]) for event in events]
        with self._session.transaction():
            buckets = [Buckets(self._session, table, events) for table in self._tables]
            for one in buckets:
                one.lock()
            removed = self._session.change(
                "DELETE FROM events WHERE event_date BETWEEN %s AND %s AND (event_id, event_date) IN %s",
                *(min(days), max(days), places),
            )
            if removed != len(events):
                raise GoldUnavailableError(f"{len(events) - removed} events of a batch were gone; run it again")
            self._session.change_many(_FORGET, [(event["event_id"],) for event in events])
            for table, one in zip(self._tables, buckets, strict=True):
                emptied, adjusted = one.subtract(oldest)
                erased.removed[table.name] += emptied
                erased.adjusted[table.name] += adjusted
        erased.removed["events"] = removed
        return erased

    def _letters(self) -> Iterator[Row]:
        """Yield the dead letters that are the subject's: by their column or by what their payload says."""
        for row in self._reader.stream(_LETTERS):
            payloads = [payload for payload in (row["payload"], row["replay_payload"]) if payload is not None]
            by_column = self._subject.kind is Kind.ACCOUNT and row["account_id"] == self._subject.id
            if by_column or any(map(self._subject.is_in, payloads)):
                yield {name: row[name] for name in ("id", "identity")} | {
                    "replay_payload": None if row["replay_payload"] is None else b""
                }

    def _erase_letters(self, letters: tuple[Row, ...]) -> Erased:
        erased = Erased()
        ids = [letter["id"] for letter in letters]
        with self._session.transaction():
            self._session.change_many(_FORGET, [(letter["identity"],) for letter in letters])
            replays = self._session.change("DELETE FROM dead_letter_replays WHERE dead_letter_id IN %s", ids)
            erased.removed["dead_letter_replays"] = replays
            erased.removed["events_dead_letter"] = self._session.change(
                "DELETE FROM events_dead_letter WHERE id IN %s", ids
            )
        return erased

    def _remove_rows(self, erased: Erased, table: SummaryTable, condition: str, *arguments: object) -> None:
        statement = f"DELETE FROM {table.name} WHERE account_id = %s AND {condition} LIMIT %s"  # noqa: S608 -- from above
        while removed := until_it_commits(
            partial(self._session.change, statement, self._subject.id, *arguments, self._batch)
        ):
            erased.removed[table.name] += removed

    def _audit(self, actor: str, action: str, erased: Erased) -> None:
        subject = {"subject": self._subject.kind, "digest": self._subject.digest}
        rows = {"removed": dict(erased.removed), "adjusted": dict(erased.adjusted)}
        self._session.audit(actor, action, json.dumps(subject | rows))

    def _count(self, query: str, *arguments: object) -> int:
        return int(self._session.row(f"SELECT COUNT(*) AS n {query}", *arguments)["n"])  # noqa: S608 -- from above

    @staticmethod
    def _add(total: Erased, part: Erased) -> None:
        total.removed.update(part.removed)
        total.adjusted.update(part.adjusted)
