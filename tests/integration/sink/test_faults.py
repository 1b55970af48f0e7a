"""G4: faults that pass are waited for, poison goes alone, systemic faults stop the stage."""

import json
import secrets
import threading
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from time import monotonic

import pymysql
import pytest
from pydantic import SecretStr

from holded_contracts.settings import MySQLSettings
from holded_contracts.topics import Artefact
from holded_contracts.wire import frame
from holded_sink.batch import Batch, Decoded, Position, Record, Source
from holded_sink.errors import TransientError
from holded_sink.io.connection import IDLE_SECONDS, Database
from holded_sink.io.maintenance import PartitionKeeper
from holded_sink.io.repository import Gold
from holded_sink.prepare import prepare
from tests.integration.sink.harness import DAY, GoldView, event_id, letter, running, silver
from tests.support.containers import mysql_container
from tests.support.migrations import migrate
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


def write_events(stream, numbers, **changes) -> None:
    with stream.transaction():
        for number in numbers:
            stream.write(Artefact.SILVER, silver(number, **changes))


def test_rows_that_mysql_refuses_go_alone_to_the_dead_letters(settings, stream, gold):
    broken = {7: '{"a": 1e400}', 8: "not json", 150: '{"a": "\\ud800"}'}
    with running(settings):
        with stream.transaction():
            for number in range(200):
                stream.write(Artefact.SILVER, silver(number, **({"data": broken[number]} if number in broken else {})))
            stream.write(Artefact.DEAD_LETTER, letter(500))
        gold.wait_for(201)

    assert gold.ledger() == (197, 4, 0, 0)
    refused = gold.query(
        "SELECT event_id, reason, stage, payload_kind, account_id, detail FROM events_dead_letter WHERE stage = 'sink'"
    )
    assert {row[0] for row in refused} == {event_id(number) for number in broken}
    assert {row[1:4] for row in refused} == {("storage_refused", "sink", "record")}
    assert all("Invalid JSON" in row[5] for row in refused)
    gold.assert_summaries_equal_group_by()


def test_records_nobody_can_read_go_alone_to_the_dead_letters(settings, stream, gold):
    with running(settings):
        with stream.transaction():
            stream.write_bytes(Artefact.SILVER, b"", event_id(1))
            stream.write_bytes(Artefact.SILVER, frame(987_654) + b"body", event_id(2))
            stream.write(Artefact.SILVER, silver(3))
            stream.write(Artefact.SILVER, silver(4, account_id="x" * 300))
            stream.write_bytes(Artefact.ANALYTICS, b"\x00\x00", None)
        gold.wait_for(5)

    assert gold.ledger() == (1, 3, 0, 0)  # the broken increment stands for no event
    stored = gold.query("SELECT topic, reason, detail FROM events_dead_letter ORDER BY topic, `partition`, `offset`")
    assert [row[1] for row in stored] == ["unreadable_record"] * 3 + ["storage_refused"]
    assert any("schema id 987654 is not registered" in row[2] for row in stored)
    assert any("account_id: 300 characters" in row[2] for row in stored)


def test_text_and_numbers_arrive_as_they_were_sent(settings, stream, gold):
    data = {
        "big": 123456789012345678901234567890,
        "precise": "\x01",
        "emoji": "😀 ' \" \\ %s <script> ; DROP TABLE events --",
        "nul": "a\u0000b",
        "deep": [[[[{"x": 0.1}]]]],
    }
    with running(settings):
        write_events(stream, [1], data=json.dumps(data), account_id="o'brien \\ % 😀")
        write_events(stream, [2])
        gold.wait_for(2)

    assert json.loads(gold.value("SELECT data_exact FROM events WHERE event_id = %s", event_id(1))) == data
    stored = json.loads(gold.value("SELECT data FROM events WHERE event_id = %s", event_id(1)))
    assert {**stored, "big": data["big"]} == data
    assert gold.value("SELECT data_exact FROM events WHERE event_id = %s", event_id(2)) is None
    assert gold.value("SELECT account_id FROM events WHERE event_id = %s", event_id(1)) == "o'brien \\ % 😀"


def test_mysql_away_heals_without_dead_letters(settings_of, stream):
    with mysql_container("--max-connections=40") as (container, port, password):
        root = MySQLSettings(
            host="127.0.0.1", port=port, username="root", password=SecretStr(password), database="holded"
        )
        connection = pymysql.connect(host="127.0.0.1", port=port, user="root", password=password)
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE holded")
        migrate(root)
        gold = GoldView(root)
        with running(settings_of(mysql=root)) as state:
            write_events(stream, range(100))
            gold.wait_for(100)

            container.stop(timeout=20)
            write_events(stream, range(100, 200))
            wait_until(lambda: "transient" in (state.sink.not_ready() or ""), what="the sink reports the fault")
            container.start()
            wait_until(lambda: gold.value("SELECT 1"), timeout=90, what="MySQL is back")
            gold.wait_for(200)

            gold.query("SET GLOBAL super_read_only = ON")
            write_events(stream, range(200, 300))
            wait_until(lambda: "read" in (state.sink.not_ready() or ""), what="the sink reports read-only")
            gold.query("SET GLOBAL super_read_only = OFF")
            gold.query("SET GLOBAL read_only = OFF")
            gold.wait_for(300)
            wait_until(lambda: state.sink.not_ready() is None, what="the sink is ready again")

        assert gold.ledger() == (300, 0, 0, 0)
        assert gold.value("SELECT COUNT(*) FROM events_dead_letter") == 0
        gold.assert_summaries_equal_group_by()


def test_a_missing_table_stops_the_stage_and_makes_no_dead_letters(settings, stream, gold, monkeypatch):
    monkeypatch.setattr("holded_sink.service.SYSTEMIC_WAIT", 0.5)
    with running(settings) as state:
        write_events(stream, range(10))
        gold.wait_for(10)
        gold.query("RENAME TABLE events_summary_daily TO away")
        write_events(stream, range(10, 20))

        wait_until(lambda: "systemic" in (state.sink.not_ready() or ""), what="the sink stops")
        assert gold.handled() == 10
        gold.query("RENAME TABLE away TO events_summary_daily")
        gold.wait_for(20)

    assert gold.ledger() == (20, 0, 0, 0)


def test_a_lock_wait_is_transient_and_leaves_nothing(settings, gold):
    source = Source("topic-id", 0, "silver", Artefact.SILVER)
    database = Database(settings.mysql)
    sink = Gold(database, actor="sink")
    start = sink.positions([source])[source]
    items = [Decoded(Record(source, n, None, b""), silver(n)) for n in range(5)]
    prepared = prepare(
        Batch(items, {source: start}), refused={}, now=datetime.now(UTC).replace(tzinfo=None), pipeline_version="test"
    )
    with database.cursor() as cursor:
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
    other = Database(settings.mysql)
    with other.transaction(commit=False) as cursor:
        cursor.execute("SELECT * FROM sink_offsets FOR UPDATE")
        with pytest.raises(TransientError, match="1205"):
            sink.write(prepared)

    assert gold.value("SELECT COUNT(*) FROM events") == 0
    assert len(sink.write(prepared).events) == 5
    assert sink.positions([source])[source] == Position(5, 5)


def test_a_deadlock_is_transient_and_leaves_nothing(settings, gold):
    one, two = Database(settings.mysql), Database(settings.mysql)
    lock = "INSERT INTO event_ids VALUES (%s, NULL)"
    outcomes: list[str] = []
    both_hold_one = threading.Barrier(2, timeout=20)

    def take(database: Database, first: int, second: int) -> None:
        try:
            with database.transaction() as cursor:
                cursor.execute(lock, (event_id(first),))
                both_hold_one.wait()
                cursor.execute(lock, (event_id(second),))
            outcomes.append("committed")
        except TransientError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=take, args=arguments) for arguments in ((one, 1, 2), (two, 2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(text[:10] for text in outcomes) == ["MySQL 1213", "committed"]
    assert gold.value("SELECT COUNT(*) FROM event_ids") == 2


def test_a_sink_that_is_cut_off_in_mid_transaction_does_not_hold_its_locks_for_long(settings, stream, gold):
    write_events(stream, range(5))
    with running(settings):
        gold.wait_for(5)
    # To MySQL, which gets no word, somebody who asks nothing more is the same as somebody who is cut off.
    with closing(Database(settings.mysql)) as cut_off, cut_off.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM sink_offsets FOR UPDATE")
        write_events(stream, range(5, 10))
        with running(settings):
            gold.wait_for(10, timeout=IDLE_SECONDS + 30)
    assert gold.value("SELECT COUNT(*) FROM events") == 10


def test_a_connection_that_was_idle_is_made_anew_without_a_fault(settings, gold, monkeypatch):
    database = Database(settings.mysql)

    def number() -> int:
        with database.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID()")
            (found,) = cursor.fetchone() or (0,)
        return int(found)

    former = number()
    assert number() == former, "one connection for all that follows at once"
    later = monotonic() + IDLE_SECONDS
    monkeypatch.setattr("holded_sink.io.connection.time.monotonic", lambda: later)
    gold.query(f"KILL {former}")
    assert number() != former
    database.close()


def test_day_partitions_are_made_ahead_and_dropped_with_a_line_in_the_audit_log(settings, stream, gold):
    # So late that the keeper of the running sink, which goes by the real date, finds nothing to make.
    today = datetime.now(UTC).date() + timedelta(days=30)
    noon = int(datetime.combine(today, time(12), UTC).timestamp()) * 1_000_000
    now = [today]

    def keeper(retention_days: int = 0) -> PartitionKeeper:
        return PartitionKeeper(settings.mysql, actor="sink-0", retention_days=retention_days, today=lambda: now[0])

    def partition_of(day: int) -> str:
        return f"p{today + timedelta(days=day):%Y%m%d}"

    def rows_in(partition: str) -> int:
        return int(gold.value(f"SELECT COUNT(*) FROM events PARTITION ({partition})"))

    assert keeper().run() == 7
    assert keeper().run() == 7
    with running(settings):
        with stream.transaction():
            for number, day in enumerate((0, 0, 1, -1, -3000, 2000, 10)):
                stream.write(Artefact.SILVER, silver(number, occurred_at=noon + day * DAY))
        gold.wait_for(7)
    assert rows_in(partition_of(0)) == 2
    assert rows_in(partition_of(1)) == 1
    assert rows_in(partition_of(-1)) == 1
    assert rows_in(partition_of(-7)) == 1  # the first partition has everything older
    assert rows_in("p_future") == 2

    now[0] = today + timedelta(days=5)
    assert keeper().run() == 7
    assert rows_in(partition_of(10)) == 1  # split off p_future
    assert rows_in("p_future") == 1

    assert keeper(retention_days=5).run() == 7
    assert gold.value("SELECT COUNT(*) FROM events") == 5
    assert rows_in(partition_of(0)) == 2
    dropped = gold.query("SELECT detail FROM audit_log WHERE action = 'partition.dropped' ORDER BY id")
    assert [json.loads(row[0])["partition"] for row in dropped] == [partition_of(day) for day in range(-7, 0)]
    assert json.loads(dropped[0][0])["rows"] == 1
    assert gold.value("SELECT COUNT(*) FROM event_ids") == 7  # an event stays unique after its day was dropped


def test_a_password_that_is_wrong_stops_the_stage_until_it_is_right(settings_of, sink_user, stream, gold, monkeypatch):
    monkeypatch.setattr("holded_sink.service.SYSTEMIC_WAIT", 0.5)
    wrong = sink_user.model_copy(update={"password": SecretStr(secrets.token_urlsafe(8))})
    write_events(stream, range(5))
    with running(settings_of(mysql=wrong)) as state:
        wait_until(lambda: "Access denied" in (state.sink.not_ready() or ""), what="the sink says why it stops")
    assert gold.handled() == 0
    with running(settings_of()):
        gold.wait_for(5)
