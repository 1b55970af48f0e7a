"""`holded rebuild` makes summaries what their events say, whatever is written meanwhile."""

import json
import random
import threading

import pytest

from holded_contracts.settings import MySQLSettings
from holded_sink.io.maintenance import PartitionKeeper
from tests.integration.cli.filling import NOW, SinkWriter, answer, complaint, differences, holded, two_sinks_writing
from tests.integration.sink.harness import silver
from tests.support.gold import check_summaries, gold, rows

pytestmark = pytest.mark.integration

TABLES = ("events_summary_hourly", "events_summary_daily")


@pytest.fixture
def filled(mysql: MySQLSettings) -> MySQLSettings:
    """300 events over three days, with day partitions."""
    PartitionKeeper(mysql, actor="test", retention_days=0, today=NOW.date).run()
    SinkWriter(mysql).write([silver(number) for number in range(300)])
    return mysql


def spoil(mysql: MySQLSettings) -> None:
    """Make rows wrong, superfluous and missing in both summaries."""
    with gold(mysql) as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table} ORDER BY type DESC LIMIT 10")
            cursor.execute(
                f"UPDATE {table} SET event_count = event_count + 5, quality_min = 0, amount_sum = -1 LIMIT 10"
            )
            cursor.execute(f"UPDATE {table} SET account_id = 'nobody' ORDER BY account_id, type LIMIT 3")


def summaries(mysql: MySQLSettings):
    return [rows(mysql, f"SELECT * FROM {table} WHERE %s", 1) for table in TABLES]


def audited(mysql: MySQLSettings):
    return rows(mysql, "SELECT actor, detail FROM audit_log WHERE action = %s", "summaries.rebuild")


def test_wrong_missing_and_superfluous_buckets_are_repaired_and_audited(filled):
    exact = summaries(filled)
    spoil(filled)
    before = answer(holded(filled, "rebuild", "--dry-run", "-o", "json"))
    assert sum(table["added"] + table["changed"] + table["removed"] for table in before["tables"]) > 40
    assert not audited(filled)

    done = answer(holded(filled, "rebuild", "--actor", "maria", "-o", "json"))
    assert done["tables"] == before["tables"]
    assert summaries(filled) == exact
    assert differences(filled) == {}
    ((actor, detail),) = audited(filled)
    assert actor == "maria"
    found = {
        table["table"]: {name: table[name] for name in ("added", "changed", "removed")} for table in done["tables"]
    }
    assert json.loads(detail) == {"from": "1000-01-01", "to": "9999-12-31", **found}


def test_a_dry_run_changes_nothing(filled):
    spoil(filled)
    before = summaries(filled)
    assert "Would be rebuilt" in holded(filled, "rebuild", "--dry-run").stdout
    assert summaries(filled) == before


def test_only_the_days_asked_for_are_repaired(filled):
    with gold(filled) as cursor:
        cursor.execute("UPDATE events_summary_daily SET event_count = 99")
    answer(holded(filled, "rebuild", "--from", "2026-11-24", "--to", "2026-11-24", "-o", "json"))
    wrong = rows(
        filled, "SELECT DISTINCT CAST(event_date AS CHAR) FROM events_summary_daily WHERE event_count = %s", 99
    )
    assert sorted(wrong) == [("2026-11-23",), ("2026-11-25",), ("2026-11-26",)]


def test_days_that_retention_dropped_are_refused_and_their_summaries_stay(filled):
    before = summaries(filled)
    PartitionKeeper(filled, actor="test", retention_days=1, today=lambda: NOW.date().replace(day=25)).run()
    result = holded(filled, "rebuild", "--from", "2026-11-23")
    assert result.exit_code == 2
    assert "dropped by retention" in complaint(result)
    assert sum(table["removed"] for table in answer(holded(filled, "rebuild", "-o", "json"))["tables"]) == 0
    assert summaries(filled) == before


def test_sums_are_exact_when_two_sinks_write_the_same_buckets_meanwhile(filled):
    with two_sinks_writing(filled) as written:
        for _ in range(12):
            spoil(filled)
            assert holded(filled, "rebuild").exit_code == 0
            assert differences(filled) == {}
    assert sum(written) > 400
    assert check_summaries(filled) > 0


@pytest.mark.parametrize("order", ["events first", "summaries first"])
def test_a_transaction_that_is_open_all_the_while_adds_its_part_once(filled, order):
    """Any writer that changes events and buckets in one transaction, whichever comes first."""
    spoil(filled)
    event = (
        "INSERT INTO events (event_id, event_date, occurred_at, type, account_id, domain, entity, action, business_context, "
        "quality_score, amount, received_at, processed_at, raw_partition, raw_offset, pipeline_version, data, metadata) "
        "SELECT %s, event_date, occurred_at, type, account_id, domain, entity, action, business_context, quality_score, "
        "amount, received_at, processed_at, 9, raw_offset, pipeline_version, data, metadata FROM events WHERE event_id = %s"
    )
    number = random.randrange(300)
    fields = silver(number)
    key = f"account_id = '{fields['account_id'] or ''}' AND type = '{fields['type'].replace(chr(92), chr(92) * 2)}' AND business_context = '{fields['business_context']}'"
    with gold(filled) as cursor:
        cursor.execute(
            "SELECT event_date, occurred_at, COALESCE(amount, 0), quality_score FROM events WHERE event_id = %s",
            (fields["event_id"],),
        )
        ((day, at, amount, quality),) = cursor.fetchall()
        hour = at.replace(minute=0, second=0, microsecond=0)
        key_hour, key_day = f"hour_start = '{hour}' AND {key}", f"event_date = '{day}' AND {key}"

        def add_event() -> None:
            cursor.execute(event, (b"x" * 16, fields["event_id"]))

        def add_to_buckets() -> None:
            for table, where in zip(TABLES, (key_hour, key_day), strict=True):
                cursor.execute(
                    f"UPDATE {table} SET event_count = event_count + 1, amount_sum = amount_sum + {amount}, "
                    f"quality_sum = quality_sum + {quality} WHERE {where}"
                )

        assert holded(filled, "rebuild").exit_code == 0  # so that the writer's rows exist
        # Make exactly the buckets wrong that the writer adds to.
        for table, where in zip(TABLES, (key_hour, key_day), strict=True):
            cursor.execute(f"UPDATE {table} SET event_count = event_count + 7 WHERE {where}")
        cursor.execute("START TRANSACTION")
        steps = [add_event, add_to_buckets] if order == "events first" else [add_to_buckets, add_event]
        steps[0]()
        codes: list[int] = []
        rebuilding = threading.Thread(target=lambda: codes.append(holded(filled, "rebuild").exit_code))
        rebuilding.start()
        if order == "events first":
            rebuilding.join(60)  # the buckets are free: it does not wait for the open transaction
            assert codes == [0]
            steps[1]()
            cursor.execute("COMMIT")
        else:
            rebuilding.join(2)
            assert rebuilding.is_alive(), "it must wait for the locked bucket"
            steps[1]()
            cursor.execute("COMMIT")
            rebuilding.join(60)
            assert codes == [0]
    assert check_summaries(filled) > 0


def test_somebody_elses_repair_is_waited_for_and_then_named(filled, monkeypatch):
    monkeypatch.setattr("holded_cli.mysql._LOCK_PATIENCE_SECONDS", 0)
    with gold(filled) as cursor:
        cursor.execute("SELECT GET_LOCK(CONCAT('holded.by-hand.', LEFT(SHA2(DATABASE(), 256), 40)), 0)")
        result = holded(filled, "rebuild")
    assert result.exit_code == 1
    assert "somebody else is at it" in result.stderr
