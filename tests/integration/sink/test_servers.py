"""What MySQL servers do to a sink: deadlocks by the dozen, no room on disk, small packets, other time zones, big rows."""

import json
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psutil
import pymysql
import pytest
from pydantic import SecretStr

from holded_contracts.settings import MySQLSettings, SinkBatch
from holded_contracts.topics import Artefact
from holded_sink import metrics
from holded_sink.io.consumer import BATCH_BYTES
from tests.integration.sink.harness import NOON, GoldView, event_id, letter, process, running, silver
from tests.support.containers import mysql_container
from tests.support.migrations import migrate
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SINK_MEMORY_LIMIT_MIB = 512
"""The memory limit that the operator gives a sink pod."""


def write_events(stream, numbers, **changes) -> None:
    with stream.transaction():
        for number in numbers:
            stream.write(Artefact.SILVER, silver(number, **changes))


def test_a_storm_of_deadlocks_is_retried_until_everything_is_stored_once(settings_of, stream, gold):
    """The storm takes the sink's locks in the opposite order, with more rows at stake, so that the sink gives way."""
    over = threading.Event()
    retried = metrics.RETRIES.labels("transient")._value.get()
    write_events(stream, range(20))

    def storm() -> None:
        while not over.is_set():
            connection = gold.connect()
            with connection, connection.cursor() as cursor:
                # Now and then it is the storm that MySQL chooses.
                with suppress(pymysql.err.OperationalError):
                    connection.begin()
                    cursor.execute("SELECT * FROM events_summary_hourly FOR UPDATE")
                    cursor.execute(
                        "INSERT INTO audit_log (actor, action, detail) WITH RECURSIVE n (i) AS"
                        " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT 'storm', 'storm', '{}' FROM n"
                    )
                    over.wait(0.05)
                    cursor.execute("SELECT * FROM sink_offsets FOR UPDATE")
                connection.rollback()

    with running(settings_of(max_rows=20)):
        gold.wait_for(20)
        thread = threading.Thread(target=storm)
        thread.start()
        try:
            for start in range(20, 400, 20):
                write_events(stream, range(start, start + 20))
            wait_until(
                lambda: metrics.RETRIES.labels("transient")._value.get() >= retried + 5, timeout=60, what="5 deadlocks"
            )
        finally:
            over.set()
            thread.join(30)
        gold.wait_for(400)

    assert gold.ledger() == (400, 0, 0, 0)
    assert gold.value("SELECT COUNT(*) FROM events_dead_letter") == 0
    gold.assert_summaries_equal_group_by()


def test_a_server_with_small_packets_stops_the_stage_until_it_takes_them(settings, stream, gold, monkeypatch):
    monkeypatch.setattr("holded_sink.service.SYSTEMIC_WAIT", 0.5)
    usual = gold.value("SELECT @@GLOBAL.max_allowed_packet")
    gold.query("SET GLOBAL max_allowed_packet = 4194304")
    try:
        write_events(stream, range(5))
        with running(settings) as state:
            wait_until(lambda: "max_allowed_packet is 4194304" in (state.sink.not_ready() or ""), what="the reason")
            assert gold.handled() == 0
            gold.query("SET GLOBAL max_allowed_packet = %s", usual)
            gold.wait_for(5)
    finally:
        gold.query("SET GLOBAL max_allowed_packet = %s", usual)
    assert gold.ledger() == (5, 0, 0, 0)


def test_what_mysql_stamps_is_utc_in_a_session_of_any_time_zone(gold):
    """Our own sessions are in UTC, where NOW() would do as well: an administrator's need not be."""
    connection = gold.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '-09:30'")
        cursor.execute("INSERT INTO audit_log (actor, action, detail) VALUES ('admin', 'by hand', '{}')")
        cursor.execute("SELECT ABS(TIMESTAMPDIFF(SECOND, at, UTC_TIMESTAMP())) FROM audit_log WHERE actor = 'admin'")
        ((seconds,),) = cursor.fetchall()
    assert seconds < 600
    defaults = gold.query(
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        " AND DATA_TYPE IN ('datetime', 'timestamp') AND COLUMN_DEFAULT IS NOT NULL AND TABLE_NAME NOT LIKE '%yoyo%'"
    )
    assert len(defaults) >= 3
    assert {default for _, _, default in defaults} == {"utc_timestamp(6)"}, defaults


def test_times_are_utc_whatever_the_servers_time_zone(settings, stream, gold):
    gold.query("SET GLOBAL time_zone = '-09:30'")
    try:
        with running(settings):
            with stream.transaction():
                stream.write(Artefact.SILVER, silver(1, occurred_at=NOON + 1))
                stream.write(Artefact.DEAD_LETTER, letter(2))
            gold.wait_for(2)
    finally:
        gold.query("SET GLOBAL time_zone = 'SYSTEM'")

    noon = datetime(2026, 11, 23, 12, tzinfo=UTC).replace(tzinfo=None)
    assert gold.query("SELECT occurred_at, event_date, received_at FROM events") == [
        (noon + timedelta(microseconds=1), noon.date(), noon)
    ]
    assert gold.query("SELECT hour_start FROM events_summary_hourly") == [(noon,)]
    now = datetime.now(UTC).replace(tzinfo=None)
    written = gold.query("SELECT stored_at FROM events_dead_letter UNION ALL SELECT at FROM audit_log")
    assert all(abs(now - at) < timedelta(minutes=5) for (at,) in written)


def test_extreme_values_arrive_as_they_are(settings, stream, gold):
    numbers = {"min": -(2**63), "max": 2**64 - 1, "tiny": 5e-324, "huge": 1.7976931348623157e308, "zero": -0.0}
    deep = json.loads("[" * 90 + "]" * 90)
    units = 10**20 - 1
    amount = units.to_bytes(10, "big", signed=True)
    late, early = (datetime(9999, 12, 30, tzinfo=UTC), datetime(1000, 1, 1, tzinfo=UTC))
    moments = [int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000 for at in (late, early)]
    with running(settings):
        with stream.transaction():
            stream.write(
                Artefact.SILVER, silver(1, data=json.dumps({"n": numbers, "deep": deep, "𐍆": "𐍈😀"}), amount=amount)
            )
            stream.write(Artefact.SILVER, silver(2, occurred_at=moments[0], quality_score=0.0))
            stream.write(Artefact.SILVER, silver(3, occurred_at=moments[1], quality_score=1.0, account_id="𐍈" * 255))
        gold.wait_for(3)

    assert gold.ledger() == (3, 0, 0, 0)
    data = json.loads(gold.value("SELECT data FROM events WHERE event_id = %s", event_id(1)))
    assert data == {"n": numbers, "deep": deep, "𐍆": "𐍈😀"}
    assert str(gold.value("SELECT amount FROM events WHERE event_id = %s", event_id(1))) == "9999999999999999.9999"
    assert gold.value("SELECT account_id FROM events WHERE event_id = %s", event_id(3)) == "𐍈" * 255
    gold.assert_summaries_equal_group_by()


def test_a_backlog_of_huge_events_waits_in_kafka_and_not_in_memory(settings_of, stream, gold):
    text = json.dumps({"id": "huge", "text": "a'\"\\ñ" * 150_000})[:900_000] + '"}'
    with stream.transaction():
        for number in range(200):
            stream.write(Artefact.SILVER, silver(number, data=text, raw_partition=0))
    blocker = gold.connect()
    patient = SinkBatch(max_rows=5000, max_wait_ms=2000)
    with process(settings_of(batch=patient)) as sink:
        usage = psutil.Process(sink.pid)
        wait_until(lambda: gold.value("SELECT COUNT(*) FROM sink_offsets"), timeout=60, what="the sink has begun")
        with blocker, blocker.cursor() as cursor:
            blocker.begin()
            cursor.execute("SELECT * FROM sink_offsets FOR UPDATE")
            stored = gold.handled()
            wait_until(lambda: _waits_for_locks(gold), timeout=60, what="the sink waits for MySQL")
            assert gold.handled() == stored
            waiting = usage.memory_info().rss / 2**20
        peak = waiting
        while gold.handled() < 200:
            peak = max(peak, usage.memory_info().rss / 2**20)
            assert sink.poll() is None
    assert peak < SINK_MEMORY_LIMIT_MIB, f"{peak:.0f} MiB, {waiting:.0f} while MySQL was blocked"
    largest = gold.value("SELECT MAX(CAST(detail->>'$[0].inserted' AS UNSIGNED)) FROM audit_log WHERE action = 'batch'")
    assert largest * len(text) < BATCH_BYTES + 20 * len(text), f"{largest} events in one batch"
    assert gold.ledger() == (200, 0, 0, 0)
    assert gold.value("SELECT COUNT(DISTINCT digest) FROM (SELECT SHA2(data, 256) AS digest FROM events) AS sums") == 1


def _waits_for_locks(gold: GoldView) -> bool:
    return bool(gold.value("SELECT COUNT(*) FROM performance_schema.data_lock_waits"))


def test_a_full_disk_is_waited_for(settings_of, stream):
    disk = {"/var/lib/mysql": "size=420m,uid=999,gid=999"}
    # the image runs as user 999
    small = ("--innodb-redo-log-capacity=16M", "--innodb-buffer-pool-size=64M")
    with mysql_container(*small, tmpfs=disk) as (container, port, password):
        root = MySQLSettings(
            host="127.0.0.1", port=port, username="root", password=SecretStr(password), database="holded"
        )
        with pymysql.connect(host="127.0.0.1", port=port, user="root", password=password) as connection:
            connection.cursor().execute("CREATE DATABASE holded")
        migrate(root)
        gold = GoldView(root)
        with running(settings_of(mysql=root)) as state:
            write_events(stream, range(50))
            gold.wait_for(50)
            container.exec_run(["sh", "-c", "cat /dev/zero > /var/lib/mysql/ballast"])
            padding = json.dumps({"id": "x", "text": "y" * 100_000})
            write_events(stream, range(50, 250), data=padding)
            wait_until(lambda: "transient fault" in (state.sink.not_ready() or ""), timeout=60, what="no room")
            assert gold.handled() < 250
            container.exec_run(["rm", "/var/lib/mysql/ballast"])
            gold.wait_for(250)
        assert gold.ledger() == (250, 0, 0, 0)
        assert gold.value("SELECT COUNT(*) FROM events_dead_letter") == 0
        gold.assert_summaries_equal_group_by()
