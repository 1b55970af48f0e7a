"""What a transaction writes, as SQL text: pure. The greatest part of what Python does for a batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from holded_sink.aggregation import Measured, summarise
from holded_sink.rows import EventRow, LetterRow, scaled
from holded_sink.sqltext import row_text


@dataclass(frozen=True, slots=True)
class Text:
    """Rows of multi-row statements, in the order of their keys."""

    identities: list[bytes]
    events: list[bytes]
    hourly: list[bytes]
    daily: list[bytes]


def render(events: Sequence[EventRow], letters: Sequence[LetterRow]) -> Text:
    """Return the text of events and of what goes with them; `letters` count for their identities alone."""
    measured = [row.measured for row in events]
    return Text(
        [row_text(row) for row in identities(events, letters)],
        [row_text(row.values) for row in events],
        _summaries(measured, daily=False),
        _summaries(measured, daily=True),
    )


def identities(events: Iterable[EventRow], letters: Iterable[LetterRow]) -> list[tuple[bytes, date | None]]:
    """Return the rows of event_ids, in key order."""
    rows: list[tuple[bytes, date | None]] = [(row.identity, row.event_date) for row in events]
    rows.extend((row.identity, None) for row in letters)
    return sorted(rows, key=lambda row: row[0])


def _summaries(measured: Iterable[Measured], *, daily: bool) -> list[bytes]:
    return [
        row_text(
            (
                *key,
                summary.events,
                scaled(summary.amount),
                scaled(summary.quality),
                scaled(summary.quality_min),
                summary.last_event_at,
            )
        )
        for key, summary in summarise(measured, daily=daily)
    ]
