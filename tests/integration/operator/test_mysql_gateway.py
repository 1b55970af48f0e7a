"""The MySQL gateway against a real server, with the repository's own migrations."""

import itertools
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pymysql
import pytest
from yoyo.backends.core import MySQLBackend

from holded_contracts.settings import MySQLSettings
from holded_operator.exceptions import (
    DatabaseAccessError,
    DatabaseError,
    DatabaseUnavailableError,
    MigrationError,
    MigrationLockedError,
)
from holded_operator.gateways import mysql
from holded_operator.gateways.interfaces import CanarySeen, DatabaseAccess, LedgerTotals
from holded_operator.gateways.mysql import MySQLDatabase
from tests.support.containers import free_port
from tests.support.migrations import SQL_DIR

pytestmark = pytest.mark.integration


@pytest.fixture
def access(mysql_server: MySQLSettings) -> Iterator[DatabaseAccess]:
    name = f"gateway_{secrets.token_hex(4)}"
    yield DatabaseAccess(
        mysql_server.host, mysql_server.port, name, mysql_server.username, mysql_server.password.get_secret_value()
    )
    query(mysql_server, f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def gateway() -> MySQLDatabase:
    return MySQLDatabase(SQL_DIR)


def query(server: MySQLSettings, *statements: str) -> Any:
    connection = pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.username,
        password=server.password.get_secret_value(),
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


def writes(server: MySQLSettings) -> int:
    """Return how many statements that write or define the server has executed."""
    names = (
        "'Com_insert','Com_update','Com_delete','Com_create_table','Com_drop_table','Com_create_db','Com_create_view'"
    )
    rows = query(server, f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")
    return sum(int(value) for _, value in rows)


def test_database_and_tables_are_made_once_and_then_only_read(
    gateway: MySQLDatabase, access: DatabaseAccess, mysql_server: MySQLSettings
) -> None:
    assert gateway.ledger(access, "today") is None
    done = gateway.migrate(access)
    assert done[0] == f"CREATE DATABASE {access.database}"
    assert list(done[1:]) == sorted(path.stem for path in SQL_DIR.glob("*.sql"))
    assert gateway.ledger(access, "today") == LedgerTotals(former=0, gold=0, dead_letters=0, duplicates=0)

    before = writes(mysql_server)
    assert gateway.migrate(access) == ()
    assert gateway.ledger(access, "today") is not None
    assert writes(mysql_server) == before


def test_the_ledger_counts_former_raw_topics_apart(
    gateway: MySQLDatabase, access: DatabaseAccess, mysql_server: MySQLSettings
) -> None:
    gateway.migrate(access)
    for topic_id, partition, records in (("today", 0, 7), ("yesterday", 0, 20), ("yesterday", 1, 3)):
        query(
            mysql_server,
            f"INSERT INTO `{access.database}`.worker_ledger VALUES"
            f" ('{topic_id}', {partition}, 'raw', {records}, {records}, {records}, 0, 2, NOW())",
        )
    assert gateway.ledger(access, "today") == LedgerTotals(former=23, gold=0, dead_letters=0, duplicates=6)


def test_canaries_are_counted_apart_and_the_newest_is_told(
    gateway: MySQLDatabase, access: DatabaseAccess, mysql_server: MySQLSettings
) -> None:
    gateway.migrate(access)
    query(
        mysql_server,
        f"INSERT INTO `{access.database}`.worker_ledger VALUES ('today', 0, 'raw', 20, 20, 18, 1, 1, NOW())",
        f"INSERT INTO `{access.database}`.sink_offsets"
        " (topic_id, `partition`, topic, artefact, next_offset, counted_offset, inserted, canaries)"
        " VALUES ('silver', 0, 'silver', 'silver', 9, 9, 6, 2), ('dead', 0, 'dead', 'dead_letter', 3, 3, 2, 1)",
        f"INSERT INTO `{access.database}`.canary (pod, sent_at, stored_at)"
        " VALUES ('collector-0', '2026-11-23 12:00:00.25', '2026-11-23 12:00:01')",
    )
    assert gateway.ledger(access, "today") == LedgerTotals(
        former=0,
        gold=6,
        dead_letters=2,
        duplicates=1,
        canaries=3,
        canary=CanarySeen(datetime(2026, 11, 23, 12, 0, 0, 250_000, UTC), 750),
    )
    assert query(mysql_server, f"SELECT processed FROM `{access.database}`.ledger") == ((17,),)


def test_the_runway_ends_with_the_last_day_partition(
    gateway: MySQLDatabase, access: DatabaseAccess, mysql_server: MySQLSettings
) -> None:
    gateway.migrate(access)
    assert gateway.partitions_end(access) is None
    query(mysql_server, f"USE {access.database}", "CALL events_add_partitions('2026-11-24', '2027-02-01')")
    assert gateway.partitions_end(access) == date(2027, 2, 1)


def test_a_killed_migration_is_taken_up_again_past_its_stale_lock(
    gateway: MySQLDatabase, access: DatabaseAccess, mysql_server: MySQLSettings
) -> None:
    gateway.migrate(access)
    last = max(path.stem for path in SQL_DIR.glob("*.sql"))
    query(
        mysql_server,
        f"DELETE FROM {access.database}._yoyo_migration WHERE migration_id = '{last}'",
        f"INSERT INTO {access.database}.yoyo_lock (locked, ctime, pid) VALUES (1, NOW(), 4711)",
    )
    assert gateway.migrate(access) == (last,)


@pytest.mark.parametrize("statement", range(1, 10))
def test_an_operator_killed_while_yoyo_makes_its_own_tables_is_taken_up_again(
    gateway: MySQLDatabase, access: DatabaseAccess, monkeypatch: pytest.MonkeyPatch, statement: int
) -> None:
    count = itertools.count(1)

    def execute(backend: MySQLBackend, sql: str, params: Any = None) -> Any:
        if "_yoyo_" in sql and next(count) == statement:
            raise KeyboardInterrupt
        return MySQLBackend.execute(backend, sql, params)

    with monkeypatch.context() as patch:
        patch.setattr(mysql._Backend, "execute", execute, raising=False)
        with pytest.raises(KeyboardInterrupt):
            gateway.migrate(access)
    assert gateway.migrate(access)
    assert gateway.migrate(access) == ()


def test_two_operators_migrate_one_after_the_other(gateway: MySQLDatabase, access: DatabaseAccess) -> None:
    with ThreadPoolExecutor(3) as threads:
        results = [threads.submit(gateway.migrate, access) for _ in range(3)]
        done = [name for result in results for name in result.result(timeout=60)]
    tables = [name for name in done if not name.startswith("CREATE DATABASE")]
    assert sorted(tables) == sorted(path.stem for path in SQL_DIR.glob("*.sql")), "each migration once"


def test_a_session_that_keeps_the_lock_is_a_reason_to_wait(
    gateway: MySQLDatabase, access: DatabaseAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holded_operator.gateways.mysql.MIGRATION_LOCK_SECONDS", 0)
    holder = pymysql.connect(host=access.host, port=access.port, user=access.username, password=access.password)
    with holder, holder.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (f"holded-operator.migrate.{access.database}",))
        with pytest.raises(MigrationLockedError, match=access.database):
            gateway.migrate(access)
    assert gateway.migrate(access)


def test_a_broken_migration_is_named_and_those_before_it_stay(access: DatabaseAccess, tmp_path: Path) -> None:
    (tmp_path / "0001.good.sql").write_text("CREATE TABLE good (a INT);")
    (tmp_path / "0002.broken.sql").write_text("CREATE TABLE good (b INT);")
    gateway = MySQLDatabase(tmp_path)
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"0002\.broken failed.*already exists"):
            gateway.migrate(access)
    (tmp_path / "0002.broken.sql").write_text("CREATE TABLE better (b INT);")
    assert gateway.migrate(access) == ("0002.broken",)


def test_a_folder_without_migrations_is_a_fault_of_the_image(access: DatabaseAccess, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="holds none"):
        MySQLDatabase(tmp_path).migrate(access)


def test_drop_takes_all_that_was_made_and_nothing_else(
    gateway: MySQLDatabase, access: DatabaseAccess, mysql_server: MySQLSettings
) -> None:
    gateway.migrate(access)
    query(mysql_server, f"CREATE TABLE {access.database}.mine (a INT)")
    assert gateway.drop(access)
    assert query(mysql_server, f"SHOW TABLES FROM {access.database}") == (("mine",),)
    routines = f"SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{access.database}'"
    assert query(mysql_server, routines) == ()
    query(mysql_server, f"DROP TABLE {access.database}.mine")
    assert gateway.drop(access), "an empty database goes, too"
    assert not gateway.drop(access)


def test_an_account_without_rights_is_told_what_to_grant_and_needs_no_more(
    gateway: MySQLDatabase, access: DatabaseAccess, mysql_server: MySQLSettings
) -> None:
    limited = replace(access, username=f"u_{access.database}", password="pass-of-limited")
    query(mysql_server, f"CREATE USER {limited.username} IDENTIFIED BY '{limited.password}'")
    with pytest.raises(DatabaseAccessError, match=f"GRANT ALL ON `{access.database}`"):
        gateway.migrate(limited)
    query(mysql_server, f"GRANT ALL ON {access.database}.* TO {limited.username}")
    assert gateway.migrate(limited)
    assert gateway.ledger(limited, "today") is not None
    assert gateway.drop(limited)
    query(mysql_server, f"DROP USER {limited.username}")


def test_faults_name_the_address_and_no_credential(gateway: MySQLDatabase, access: DatabaseAccess) -> None:
    wrong = replace(access, username="the-user", password="the-password")
    away = replace(wrong, port=free_port())
    told = repr(wrong)
    with pytest.raises(DatabaseAccessError, match=r"credentialsSecretRef") as denied:
        gateway.migrate(wrong)
    with pytest.raises(DatabaseUnavailableError, match=rf"127\.0\.0\.1:{away.port}.*refused") as refused:
        gateway.migrate(away)
    told += str(denied.value) + str(refused.value)
    assert "the-password" not in told
    assert "the-user" not in told


def test_tls_is_used_when_asked_for_and_checked_when_asked_for(gateway: MySQLDatabase, access: DatabaseAccess) -> None:
    assert gateway.migrate(replace(access, tls="Required"))
    with pytest.raises(DatabaseUnavailableError, match="certificate verify failed"):
        gateway.migrate(replace(access, tls="VerifyCA"))
    with pytest.raises(DatabaseError, match=r"caSecretRef"):
        gateway.migrate(replace(access, tls="VerifyCA", ca="nonsense"))
