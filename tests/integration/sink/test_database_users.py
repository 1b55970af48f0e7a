"""Who may do what in the database: the statements of docs/guides/database-users.md, and the audit log that only grows."""

import secrets
from datetime import UTC, datetime, timedelta

import pymysql
import pytest
from pymysql.constants import ER

from holded_contracts.topics import Artefact
from holded_sink.io.connection import Database
from holded_sink.io.maintenance import PartitionKeeper
from tests.integration.sink.harness import letter, running, silver
from tests.support.database_users import create_user

pytestmark = pytest.mark.integration

TODAY = datetime.now(UTC).date()
APPEND_ONLY = ("events", "events_dead_letter", "event_ids", "audit_log")


@pytest.fixture
def stored(settings, stream, gold):
    with running(settings):
        with stream.transaction():
            stream.write(Artefact.SILVER, silver(1))
            stream.write(Artefact.DEAD_LETTER, letter(2))
        gold.wait_for(2)
    return gold


def refused(cursor, statement: str) -> bool:
    try:
        cursor.execute(statement)
    except pymysql.err.OperationalError as error:
        return error.args[0] in (ER.TABLEACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR)
    return False


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_sinks_user_can_add_but_never_change_or_delete(stored, settings, table):
    columns = {"events": "type", "events_dead_letter": "detail", "event_ids": "event_date", "audit_log": "actor"}
    connection = pymysql.connect(
        host=settings.mysql.host,
        port=settings.mysql.port,
        user=settings.mysql.username,
        password=settings.mysql.password.get_secret_value(),
        database=settings.mysql.database,
    )
    with connection, connection.cursor() as cursor:
        assert refused(cursor, f"UPDATE {table} SET {columns[table]} = {columns[table]}")
        assert refused(cursor, f"DELETE FROM {table}")
        assert refused(cursor, f"TRUNCATE TABLE {table}")
        assert refused(cursor, f"ALTER TABLE {table} COMMENT = 'mine'")


def test_an_analyst_reads_everything_by_tls_alone_and_changes_nothing(stored, mysql):
    name = f"analyst_{secrets.token_hex(4)}"
    admin = stored.connect()
    with admin, admin.cursor() as cursor:
        password = create_user(cursor, "analyst", name, mysql.database)
        try:
            where = {"host": mysql.host, "port": mysql.port, "user": name, "password": password}
            with pytest.raises(pymysql.err.OperationalError, match="1045"):
                pymysql.connect(**where, ssl_disabled=True)
            with pymysql.connect(**where, database=mysql.database, ssl={"check_hostname": False}) as connection:
                _reads_and_changes_nothing(connection.cursor())
        finally:
            cursor.execute(f"DROP USER {name}")


def _reads_and_changes_nothing(cursor) -> None:
    cursor.execute("SHOW TABLES")
    tables = [row[0] for row in cursor.fetchall()]
    assert {"events_view", "events_dead_letter_view", "ledger", "audit_log"} <= set(tables)
    for table in tables:
        cursor.execute(f"SELECT * FROM `{table}` LIMIT 1")
    for table in ("events", "audit_log", "sink_offsets"):
        assert refused(cursor, f"DELETE FROM {table}")
    assert refused(cursor, "UPDATE sink_offsets SET next_offset = 0")
    assert refused(cursor, "INSERT INTO audit_log (actor, action, detail) VALUES ('me', 'x', '{}')")
    assert refused(cursor, "CREATE TABLE mine (a INT)")


def test_lines_of_old_batches_go_with_a_line_that_says_so_and_all_others_stay(stored, settings):
    old = TODAY - timedelta(days=91)
    for action in ("batch", "batch", "partition.dropped"):
        stored.query("INSERT INTO audit_log (at, actor, action, detail) VALUES (%s, 'sink-9', %s, '{}')", old, action)
    keeper = PartitionKeeper(settings.mysql, actor="sink-0", retention_days=0, today=lambda: TODAY)

    keeper.run()
    keeper.run()

    assert stored.query("SELECT action FROM audit_log WHERE actor = 'sink-9'") == [("partition.dropped",)]
    pruned = stored.query("SELECT actor, detail->>'$.lines' FROM audit_log WHERE action = 'audit.prune'")
    assert pruned == [("sink-0", "2")]
    assert stored.value("SELECT COUNT(*) FROM audit_log WHERE action = 'batch'") >= 1


def test_nobody_has_young_lines_of_the_audit_log_deleted(stored, settings):
    with pytest.raises(Exception, match="lines of the last 30 days stay"), Database(settings.mysql).cursor() as cursor:
        cursor.execute("CALL audit_prune_batches(%s)", (TODAY,))
