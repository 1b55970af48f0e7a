"""What the report makes of gold's answers, and how it waits for them."""

import json
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console

from holded_cli.gold import ContextRow, DeadLetterRow, EventRow, GoldReader, Ledger
from holded_cli.mysql import GoldUnavailableError
from holded_cli.report import NotYetError, Report, as_json, read_report, render, summarise, wait_until_settled

ROWS = [
    ContextRow("operations", "EUR", 3, 2.4, Decimal("10.5000")),
    ContextRow("operations", "USD", 1, 0.4, Decimal("7.0000")),
    ContextRow("operations", None, 1, 0.7, None),
    ContextRow("people", None, 9, 9.0, None),
]
NEWEST = EventRow(
    "0b0e",
    r"Holded\Wallet\Domain\A\Events\PaidEvent",
    "acc",
    "people",
    0.75,
    Decimal("1234.5"),
    "EUR",
    datetime(2026, 11, 1, 9),  # noqa: DTZ001 -- MySQL returns naive times
)
DEAD = DeadLetterRow("worker", "invalid_type", 2, "headers.type: [red]not of the form[/] \x1b[2J")


class Gold(GoldReader):
    """Answers from memory; each ledger question takes the next of `ledgers` and keeps to the last."""

    def __init__(self, *ledgers):
        self.ledgers = list(ledgers)

    def contexts(self):
        return ROWS

    def dead_letters(self):
        return [DEAD]

    def newest(self, limit):
        return [NEWEST][:limit]

    def ledger(self):
        answer = self.ledgers.pop(0) if len(self.ledgers) > 1 else self.ledgers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_currencies_of_a_context_are_joined_but_never_added_up():
    people, operations = summarise(ROWS)
    assert (people.business_context, people.events, people.mean_quality, people.amounts) == ("people", 9, 1.0, {})
    assert operations.events == 5
    assert operations.mean_quality == pytest.approx(0.7)
    assert operations.amounts == {"EUR": Decimal("10.5000"), "USD": Decimal("7.0000")}


def report(accepted) -> Report:
    return read_report(Gold(Ledger(20, 14, 2, 3)), newest=5, accepted=accepted)


def test_in_flight_is_what_is_accepted_and_not_settled():
    assert report(20).in_flight == 1
    assert report(None).in_flight is None


def test_an_outdated_number_of_accepted_events_is_not_shown():
    assert report(18).accepted is None
    assert report(19).in_flight == 0


def test_json_keeps_amounts_exact_and_times_in_utc():
    document = json.loads(json.dumps(as_json(report(20))))
    assert document["ledger"] == {
        "processed": 20, "gold": 14, "dead_letters": 2, "duplicates": 3, "accepted": 20, "in_flight": 1,
    }  # fmt: skip
    assert document["newest"][0]["amount"] == "1234.5"
    assert document["newest"][0]["occurred_at"] == "2026-11-01T09:00:00.000Z"
    assert document["contexts"][1]["amounts"] == {"EUR": "10.5000", "USD": "7.0000"}


def test_tables_show_every_part_and_neither_markup_nor_control_characters():
    out = StringIO()
    Console(file=out, width=160).print(render(report(20)))
    text = out.getvalue()
    for expected in (
        "operations",
        "10.50 EUR",
        "invalid_type",
        "[red]not of the form[/]",
        "PaidEvent",
        "1,234.50 EUR",
        "In flight",
    ):
        assert expected in text
    assert "\x1b" not in text


def test_an_empty_database_is_shown_as_such():
    out = StringIO()
    Console(file=out, width=160).print(render(Report([], [], Ledger(0, 0, 0, 0), [], None)))
    assert "not known" in out.getvalue()


def wait(gold, expected, **options):
    return wait_until_settled(lambda: nullcontext(gold), expected, poll_seconds=0.001, **options)


def test_waiting_goes_on_over_an_absent_database_until_enough_is_settled():
    seen: list[Ledger] = []
    gold = Gold(GoldUnavailableError("refused"), Ledger(0, 0, 0, 0), Ledger(9, 5, 1, 2), Ledger(9, 6, 1, 2))
    assert wait(gold, 9, timeout_seconds=5, progress=seen.append).settled == 9
    assert [ledger.settled for ledger in seen] == [0, 8, 9]


def test_records_the_sink_has_not_stored_yet_do_not_count():
    with pytest.raises(NotYetError, match=r"5 of 9 events are accounted for after 0\.01 s"):
        wait(Gold(Ledger(9, 5, 0, 0)), 9, timeout_seconds=0.01)


def test_a_database_that_stays_away_is_the_error_told():
    with pytest.raises(GoldUnavailableError, match="refused"):
        wait(Gold(GoldUnavailableError("refused")), 1, timeout_seconds=0.01)
