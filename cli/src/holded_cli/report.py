"""What landed in gold, as tables for people or JSON for programs. Rendering is pure; `gold` does the reading."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from rich.console import Group
from rich.table import Table
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from holded_cli.gold import ContextRow, DeadLetterRow, EventRow, GoldReader, Ledger
from holded_cli.mysql import GoldUnavailableError
from holded_cli.terminal import plain

POLL_SECONDS = 0.5


class NotYetError(Exception):
    """Fewer events than expected are accounted for so far."""


@dataclass(frozen=True)
class ContextSummary:
    """One business context over all currencies."""

    business_context: str
    events: int
    mean_quality: float
    amounts: dict[str, Decimal]
    """Sum of amounts per currency; amounts of different currencies are never added up."""


@dataclass(frozen=True)
class Report:
    """All that is shown."""

    contexts: list[ContextSummary]
    dead_letters: list[DeadLetterRow]
    ledger: Ledger
    newest: list[EventRow]
    accepted: int | None
    """Events that the collector has accepted, where the caller knows it."""

    @property
    def in_flight(self) -> int | None:
        """Accepted events that have not settled; None where the accepted ones are not known."""
        return None if self.accepted is None else self.accepted - self.ledger.settled


def read_report(gold: GoldReader, *, newest: int, accepted: int | None) -> Report:
    """Ask gold for everything the report shows.

    `accepted` is what the caller knows; a number below what has settled is out of date and taken as not known.
    """
    ledger = gold.ledger()
    return Report(
        contexts=summarise(gold.contexts()),
        dead_letters=gold.dead_letters(),
        ledger=ledger,
        newest=gold.newest(newest),
        accepted=None if accepted is not None and accepted < ledger.settled else accepted,
    )


def wait_until_settled(
    open_reader: Callable[[], AbstractContextManager[GoldReader]],
    expected: int,
    *,
    timeout_seconds: float,
    progress: Callable[[Ledger], None] = lambda _: None,
    poll_seconds: float = POLL_SECONDS,
) -> Ledger:
    """Poll until this many events are gold, dead letters or duplicates.

    MySQL that is away or not migrated yet counts as zero events: it is waited for as well.

    Raises
    ------
    NotYetError, GoldUnavailableError
        What was still missing when the time was up.
    """

    def look() -> Ledger:
        with open_reader() as gold:
            ledger = gold.ledger()
        progress(ledger)
        if ledger.settled < expected:
            raise NotYetError(f"{ledger.settled} of {expected} events are accounted for after {timeout_seconds:g} s")
        return ledger

    retrying = Retrying(
        retry=retry_if_exception_type((NotYetError, GoldUnavailableError)),
        wait=wait_fixed(poll_seconds),
        stop=stop_after_delay(timeout_seconds),
        reraise=True,
    )
    return retrying(look)


def summarise(rows: list[ContextRow]) -> list[ContextSummary]:
    """Join the currencies of each business context, most events first."""
    groups: dict[str, list[ContextRow]] = defaultdict(list)
    for row in rows:
        groups[row.business_context].append(row)
    summaries = []
    for context, members in groups.items():
        events = sum(row.events for row in members)
        amounts = {row.currency or "none": row.amount for row in members if row.amount is not None}
        quality = sum(row.quality_sum for row in members) / events
        summaries.append(ContextSummary(context, events, quality, amounts))
    return sorted(summaries, key=lambda summary: (-summary.events, summary.business_context))


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for `--json`: amounts as exact text, times in ISO 8601 UTC."""
    return {
        "contexts": [
            asdict(row)
            | {"mean_quality": round(row.mean_quality, 4), "amounts": {k: str(v) for k, v in row.amounts.items()}}
            for row in report.contexts
        ],
        "dead_letters": [asdict(row) for row in report.dead_letters],
        "ledger": asdict(report.ledger) | {"accepted": report.accepted, "in_flight": report.in_flight},
        "newest": [
            asdict(row)
            | {
                "amount": None if row.amount is None else str(row.amount),
                "occurred_at": row.occurred_at.isoformat(timespec="milliseconds") + "Z",
            }
            for row in report.newest
        ],
    }


def render(report: Report) -> Group:
    """Return the report as tables."""
    return Group(
        _contexts_table(report.contexts),
        _dead_letters_table(report.dead_letters),
        _newest_table(report.newest),
        _ledger_table(report),
    )


def _contexts_table(contexts: list[ContextSummary]) -> Table:
    table = Table(title="Events by business context", title_justify="left", show_footer=True)
    table.add_column("Business context", footer="all")
    table.add_column("Events", justify="right", footer=f"{sum(row.events for row in contexts):,}")
    table.add_column("Mean quality", justify="right", footer=_overall_quality(contexts))
    table.add_column("Amount", justify="right")
    for row in contexts:
        table.add_row(
            plain(row.business_context), f"{row.events:,}", f"{row.mean_quality:.3f}", plain(money_text(row.amounts))
        )
    return table


def _overall_quality(contexts: list[ContextSummary]) -> str:
    events = sum(row.events for row in contexts)
    return f"{sum(row.mean_quality * row.events for row in contexts) / events:.3f}" if events else ""


def money_text(amounts: dict[str, Decimal]) -> str:
    """Return one line per currency, e.g. `1,234.50 EUR`."""
    return "\n".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(amounts.items()))


def _dead_letters_table(rows: list[DeadLetterRow]) -> Table:
    table = Table("Stage", "Reason", title="Dead letters", title_justify="left")
    table.add_column("Count", justify="right")
    table.add_column("For example", overflow="fold")
    for row in rows:
        table.add_row(plain(row.stage), plain(row.reason), f"{row.count:,}", plain(row.example))
    return table


def _newest_table(rows: list[EventRow]) -> Table:
    table = Table("Occurred at (UTC)", "Type", "Context", title="Newest events", title_justify="left")
    table.add_column("Quality", justify="right")
    table.add_column("Amount", justify="right")
    for row in rows:
        amount = "" if row.amount is None else money_text({row.currency or "": row.amount}).strip()
        when = row.occurred_at.isoformat(sep=" ", timespec="seconds")
        table.add_row(
            when, plain(short_type(row.type)), plain(row.business_context), f"{row.quality_score:.3f}", plain(amount)
        )
    return table


def short_type(event_type: str) -> str:
    """Return the last part of an event type: its name."""
    return event_type.rpartition("\\")[2]


def _ledger_table(report: Report) -> Table:
    ledger = report.ledger
    table = Table(title="Ledger: accepted = gold + dead letters + duplicates + in flight", title_justify="left")
    row = {
        "Accepted": report.accepted,
        "Processed": ledger.processed,
        "Gold": ledger.gold,
        "Dead letters": ledger.dead_letters,
        "Duplicates": ledger.duplicates,
        "In flight": report.in_flight,
    }
    for name in row:
        table.add_column(name, justify="right")
    table.add_row(*("not known" if value is None else f"{value:,}" for value in row.values()))
    return table
