"""`holded verify` sees every way in which gold may not be exact, and only those."""

import json
import threading

import pytest

from holded_contracts.settings import MySQLSettings
from holded_sink.io.maintenance import PartitionKeeper
from tests.integration.cli.filling import NOW, SinkWriter, answer, complaint, differences, holded
from tests.integration.sink.harness import event_id, letter, silver
from tests.support.gold import gold

pytestmark = pytest.mark.integration

HOURLY, DAILY = "hourly summaries", "daily summaries"


@pytest.fixture
def filled(mysql: MySQLSettings) -> MySQLSettings:
    """300 events over three days, with day partitions, and five dead letters; one of them without an event id."""
    PartitionKeeper(mysql, actor="test", retention_days=0, today=NOW.date).run()
    letters = [letter(1000 + number) for number in range(4)] + [letter(None, payload=b"\x00")]
    writer = SinkWriter(mysql)
    writer.write([silver(number) for number in range(200)], letters)
    writer.write([silver(number) for number in range(100, 300)])
    with gold(mysql) as cursor:
        cursor.execute("INSERT INTO worker_ledger VALUES ('raw-id', 0, 'raw', 405, 405, 400, 5, 0, '2026-11-23')")
    return mysql


def break_it(mysql: MySQLSettings, statement: str, *arguments: object) -> None:
    with gold(mysql) as cursor:
        assert cursor.execute(statement, arguments) > 0, "the test breaks nothing"


def test_what_the_sink_wrote_is_exact(filled: MySQLSettings):
    document = answer(holded(filled, "verify", "--settled", "-o", "json"))
    assert document["exact"] is True
    compared = {check["name"]: check["compared"] for check in document["checks"]}
    assert compared["events"] == compared["ids of events"] == 300
    assert compared["dead letters"] == compared["ids of dead letters"] == 5
    assert compared[HOURLY] > compared[DAILY] > 100


def test_an_empty_database_is_exact(mysql: MySQLSettings):
    assert differences(mysql, "--settled") == {}


@pytest.mark.parametrize(
    "change",
    [
        "event_count = event_count + 1",
        "amount_sum = amount_sum + 0.0001",
        "quality_sum = quality_sum - 0.0001",
        "quality_min = quality_min + 0.0001",
        "last_event_at = last_event_at + INTERVAL 1 MICROSECOND",
    ],
)
@pytest.mark.parametrize(("table", "check"), [("events_summary_hourly", HOURLY), ("events_summary_daily", DAILY)])
def test_each_figure_of_a_summary_is_compared_to_its_last_digit(filled, table, check, change):
    break_it(filled, f"UPDATE {table} SET {change} ORDER BY account_id DESC LIMIT 1")
    assert differences(filled) == {check: 1}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM events_summary_daily LIMIT 2", {DAILY: 2}),
        ("UPDATE events_summary_hourly SET account_id = 'nobody' LIMIT 1", {HOURLY: 2}),
        ("UPDATE events_summary_hourly SET hour_start = hour_start + INTERVAL 90 DAY LIMIT 1", {HOURLY: 2}),
        ("DELETE FROM event_ids WHERE event_date IS NOT NULL LIMIT 1", {"events": 1, "ledger": 1}),
        ("DELETE FROM event_ids WHERE event_date IS NULL LIMIT 1", {"dead letters": 1, "ledger": 1}),
        ("DELETE FROM events_dead_letter LIMIT 3", {"ids of dead letters": 3}),
        ("UPDATE events_dead_letter SET replay_state = 'replayed' LIMIT 1", {"replays": 1}),
        ("UPDATE sink_offsets SET inserted = inserted + 1 WHERE artefact = 'silver'", {"ledger": 1, "offsets": 1}),
        ("UPDATE sink_offsets SET counted_offset = 3 WHERE artefact = 'silver'", {"offsets": 1}),
        ("UPDATE worker_ledger SET duplicates = 1", {"ledger": 1}),
    ],
)  # fmt: skip
def test_each_inexactness_is_found_by_its_check(filled, statement, found):
    break_it(filled, statement)
    assert differences(filled) == found


def test_a_lost_event_is_missing_from_its_id_and_its_summaries(filled):
    break_it(filled, "DELETE FROM events WHERE event_id = %s", event_id(7))
    assert differences(filled) == {HOURLY: 1, DAILY: 1, "ids of events": 1}


def test_an_event_that_stands_twice_on_different_days_is_found(filled):
    columns = "type, domain, entity, action, business_context, quality_score, received_at, processed_at, raw_partition, raw_offset, pipeline_version, data, metadata"
    break_it(
        filled,
        f"INSERT INTO events (event_id, event_date, occurred_at, {columns}) SELECT event_id, '2026-12-24', '2026-12-24', {columns} "
        "FROM events WHERE event_id = %s",
        event_id(7),
    )
    assert differences(filled) == {HOURLY: 1, DAILY: 1, "events": 1}


def test_an_event_that_is_gold_and_dead_letter_is_found(filled):
    break_it(filled, "UPDATE events_dead_letter SET event_id = %s, identity = %s LIMIT 1", event_id(7), event_id(7))
    assert differences(filled) == {"dead letters": 1, "ids of dead letters": 1, "one of both": 1}


def test_events_between_worker_and_gold_differ_only_when_nothing_may_be_in_flight(filled):
    break_it(filled, "UPDATE worker_ledger SET silver = 401, records = 406, next_offset = 406")
    assert differences(filled) == {}
    assert differences(filled, "--settled") == {"in flight": 1}


def test_only_the_days_asked_for_are_compared(filled):
    break_it(filled, "UPDATE events_summary_daily SET event_count = 9 WHERE event_date = '2026-11-23' LIMIT 1")
    assert differences(filled, "--from", "2026-11-24") == {}
    assert differences(filled, "--from", "2026-11-23", "--to", "2026-11-23") == {DAILY: 1}


def test_differences_are_printed_with_both_sides_and_their_key(filled):
    break_it(
        filled,
        "UPDATE events_summary_daily SET event_count = 77 WHERE account_id = 'company-1' AND event_date = '2026-11-24' LIMIT 1",
    )
    result = holded(filled, "verify")
    assert result.exit_code == 1
    assert "2026-11-24 account 'company-1'" in result.stdout
    assert "event_count 77, events say" in result.stdout
    assert "1 differences" in result.stderr


def test_days_that_retention_dropped_are_refused_and_left_out_by_default(filled):
    PartitionKeeper(filled, actor="test", retention_days=1, today=lambda: NOW.date().replace(day=25)).run()
    assert differences(filled) == {}
    result = holded(filled, "verify", "--from", "2026-11-23")
    assert result.exit_code == 2
    assert "dropped by retention" in complaint(result)
    assert "begin with 2026-11-24" in complaint(result)


def test_a_sink_that_writes_meanwhile_makes_no_difference(filled):
    stop = threading.Event()

    def write() -> None:
        writer, number = SinkWriter(filled, partition=1), 10_000
        while not stop.is_set():
            writer.write([silver(number + one) for one in range(50)], [letter(number + 50)])
            number += 51

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = []
        for _ in range(8):
            result = holded(filled, "verify", "-o", "json")
            assert result.exit_code == 0, result.output
            compared = {check["name"]: check["compared"] for check in json.loads(result.stdout)["checks"]}
            assert compared["events"] == compared["ids of events"], "the checks saw different moments"
            assert compared["dead letters"] == compared["ids of dead letters"], "the checks saw different moments"
            seen.append(compared["events"])
    finally:
        stop.set()
        thread.join(60)
    assert seen[-1] > seen[0], "nothing was written meanwhile"
