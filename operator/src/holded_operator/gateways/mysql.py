"""The gold database: migrations, ledger, removal.

Two locks guard migrations. GET_LOCK belongs to a session, so the server frees it when its holder dies; whoever has it
may break yoyo's own lock row, which a killed process leaves behind. What is pending is found by reading alone: yoyo
itself writes (a probe table, its lock table) as soon as it is opened, so it is opened only when there is work.
"""

import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pymysql
import yoyo
from pymysql.constants import CR, ER
from pymysql.cursors import Cursor
from yoyo.backends.core import MySQLBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import default_migration_table

from holded_contracts import advice
from holded_contracts.io.tls import AuthoritiesError, mysql_tls
from holded_operator.exceptions import (
    DatabaseAccessError,
    DatabaseError,
    DatabaseUnavailableError,
    MigrationError,
    MigrationLockedError,
)
from holded_operator.gateways.interfaces import CanarySeen, DatabaseAccess, LedgerTotals

CONNECT_TIMEOUT_SECONDS = 8
"""Time to connect."""
QUERY_TIMEOUT_SECONDS = 15
"""Time for an answer while nothing is migrated."""
MIGRATION_TIMEOUT_SECONDS = 600
"""Time for one statement of a migration; below what the liveness probe grants a pass (`handlers.health`)."""
METADATA_LOCK_SECONDS = 20
"""Time DDL waits for transactions that use the table, instead of MySQL's default of one year: behind waiting DDL every
other statement on that table queues up, so giving up and trying again is what keeps the pipeline going."""
MIGRATION_LOCK_SECONDS = 5
"""Time to wait for another migrating session before the pass ends and comes back."""

_UNREACHABLE = {
    CR.CR_CONN_HOST_ERROR,
    CR.CR_CONNECTION_ERROR,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
    CR.CR_UNKNOWN_HOST,
    ER.CON_COUNT_ERROR,
    ER.SERVER_SHUTDOWN,
    1053,
    3032,  # the server is in offline mode
}
_DENIED = {
    ER.ACCESS_DENIED_ERROR,
    ER.DBACCESS_DENIED_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.SPECIFIC_ACCESS_DENIED_ERROR,
}
_CREATED = re.compile(
    r"^\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:ALGORITHM\s*=\s*\w+\s+)?(?:DEFINER\s*=\s*\S+\s+)?(?:SQL\s+SECURITY\s+\w+\s+)?"
    r"(TABLE|VIEW|PROCEDURE|FUNCTION|EVENT|TRIGGER)\s+(?:IF\s+NOT\s+EXISTS\s+)?`?(\w+)`?",
    re.IGNORECASE | re.MULTILINE,
)
_DROP_ORDER = ("EVENT", "TRIGGER", "VIEW", "PROCEDURE", "FUNCTION", "TABLE")
_LOCK = "holded-operator.migrate.{}"
_VERSION_TABLE = "_yoyo_version"
_YOYO_TABLES = ("yoyo_lock", "_yoyo_log", _VERSION_TABLE, default_migration_table)


class MySQLDatabase:
    """The `DatabaseGateway` of production; a connection lives for one call."""

    def __init__(self, migrations_dir: Path) -> None:
        self._migrations_dir = migrations_dir

    def migrate(self, access: DatabaseAccess) -> tuple[str, ...]:
        """Create the database where it is missing, apply pending migrations; returns the names of what it did."""
        done: list[str] = []
        with self._connection(access, database=None) as cursor:
            if not _database_exists(cursor, access.database):
                cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{access.database}` CHARACTER SET utf8mb4")
                done.append(f"CREATE DATABASE {access.database}")
            if not self._pending(cursor, access.database):
                return tuple(done)
            with _advisory_lock(cursor, access.database):
                if not _yoyo_is_installed(cursor, access.database):
                    _drop_yoyo(cursor, access.database)
                return (*done, *self._apply(access, self._pending(cursor, access.database)))

    def ledger(self, access: DatabaseAccess, raw_topic_id: str) -> LedgerTotals | None:
        """Return the totals, None when the database has no view `ledger` yet; `raw_topic_id` is that of today's raw."""
        with self._connection(access, database=None) as cursor:
            if not _rows(
                cursor,
                "SELECT 1 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'ledger'",
                access.database,
            ):
                return None
            query = (
                "SELECT (SELECT COALESCE(SUM(records), 0)"  # noqa: S608 -- a checked identifier
                f" FROM `{access.database}`.worker_ledger WHERE topic_id <> %s),"
                f" gold, dead_letters, duplicates, canaries FROM `{access.database}`.ledger"
            )
            row = _rows(cursor, query, raw_topic_id)[0]
            newest = _rows(cursor, f"SELECT sent_at, latency_ms FROM `{access.database}`.canary")  # noqa: S608 -- as above
        former, gold, dead_letters, duplicates, canaries = (int(value) for value in row)
        return LedgerTotals(former, gold, dead_letters, duplicates, canaries, _canary(newest))

    def partitions_end(self, access: DatabaseAccess) -> date | None:
        """Return the first day after the last day partition of `events`, None when it has no day partitions."""
        with self._connection(access, database=None) as cursor:
            ((end,),) = _rows(
                cursor,
                "SELECT MAX(CAST(TRIM(BOTH '\\'' FROM PARTITION_DESCRIPTION) AS DATE))"
                " FROM information_schema.PARTITIONS"
                " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'events' AND PARTITION_DESCRIPTION <> 'MAXVALUE'",
                access.database,
            )
        return end if end is None else date.fromisoformat(str(end))

    def drop(self, access: DatabaseAccess) -> bool:
        """Drop what the migrations made, and the database when nothing else is in it; False when it was gone."""
        with self._connection(access, database=None) as cursor:
            if not _database_exists(cursor, access.database):
                return False
            cursor.execute(f"USE `{access.database}`")
            cursor.execute("SET SESSION foreign_key_checks = 0")
            for kind, name in self._made_by_migrations():
                cursor.execute(f"DROP {kind} IF EXISTS `{name}`")
            left = _rows(
                cursor, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", access.database
            )
            if not left:
                cursor.execute(f"DROP DATABASE IF EXISTS `{access.database}`")
        return True

    def _pending(self, cursor: Cursor, database: str) -> list[Any]:
        """Return the migrations not applied, in order, by reading alone."""
        migrations = yoyo.read_migrations(str(self._migrations_dir))
        if not migrations:
            raise MigrationError("(none)", f"the folder {self._migrations_dir} of the operator's image holds none")
        applied: set[str] = set()
        if _yoyo_is_installed(cursor, database):
            query = f"SELECT migration_hash FROM `{database}`.`{default_migration_table}`"  # noqa: S608 -- as above
            applied = {row[0] for row in _rows(cursor, query)}
        return [migration for migration in migrations if migration.hash not in applied]

    def _apply(self, access: DatabaseAccess, pending: list[Any]) -> tuple[str, ...]:
        backend = _Backend(access)
        try:
            backend.init_database()
            backend.break_lock()
            done = []
            for migration in backend.to_apply(yoyo.migrations.MigrationList(pending)):
                try:
                    with backend.lock():
                        backend.apply_one(migration)
                except (pymysql.MySQLError, yoyo.exceptions.BadMigration) as error:
                    cause = _first(error)
                    if _code(cause) in _UNREACHABLE | _DENIED:
                        raise cause from error
                    raise MigrationError(migration.id, _message(cause)) from error
                done.append(str(migration.id))
            return tuple(done)
        finally:
            backend.connection.close()

    def _made_by_migrations(self) -> list[tuple[str, str]]:
        """Return kind and name of what the migrations create, in an order in which it can be dropped."""
        found: dict[tuple[str, str], None] = {}
        for path in sorted(self._migrations_dir.glob("*.sql")):
            for kind, name in _CREATED.findall(path.read_text(encoding="utf-8")):
                found[kind.upper(), name] = None
        found.update({("TABLE", name): None for name in _YOYO_TABLES})
        return sorted(found, key=lambda item: (_DROP_ORDER.index(item[0]), item[1]))

    @contextmanager
    def _connection(self, access: DatabaseAccess, *, database: str | None) -> Iterator[Cursor]:
        try:
            with (
                _connect(access, database=database, read_timeout=QUERY_TIMEOUT_SECONDS) as connection,
                connection.cursor() as cursor,
            ):
                yield cursor
        except pymysql.MySQLError as error:
            raise _translated(access, error) from error
        except AuthoritiesError as error:
            raise DatabaseError(access.address, str(error)) from error
        except OSError as error:
            # Certificates and sockets: pymysql wraps most, but not all of them.
            raise DatabaseUnavailableError(access.address, str(error)) from error


class _Backend(MySQLBackend):
    """Yoyo's backend on a connection of ours: no URL is ever built, so no password can stand in an error or a log."""

    def __init__(self, access: DatabaseAccess) -> None:
        self._access = access
        super().__init__(
            DatabaseURI("mysql", None, None, access.host, access.port, access.database, {}), default_migration_table
        )

    def connect(self, dburi: DatabaseURI) -> Any:
        return _connect(self._access, database=dburi.database, read_timeout=MIGRATION_TIMEOUT_SECONDS, autocommit=False)

    def copy(self) -> "_Backend":
        return _Backend(self._access)

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        """Return yoyo's log row; its own way asks the password database for a name, which a bare uid has not."""
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": "holded-operator",
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


def _connect(access: DatabaseAccess, *, database: str | None, read_timeout: int, autocommit: bool = True) -> Any:
    return pymysql.connect(
        host=access.host,
        port=access.port,
        user=access.username,
        password=access.password,
        database=database,
        autocommit=autocommit,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=read_timeout,
        write_timeout=QUERY_TIMEOUT_SECONDS,
        charset="utf8mb4",
        init_command=f"SET SESSION lock_wait_timeout = {METADATA_LOCK_SECONDS}, time_zone = '+00:00'",
        **mysql_tls(advice.MYSQL_RESOURCE.ca, access.tls, pem=access.ca),
    )


@contextmanager
def _advisory_lock(cursor: Cursor, database: str) -> Iterator[None]:
    name = _LOCK.format(database)[:64]
    if _rows(cursor, "SELECT GET_LOCK(%s, %s)", name, MIGRATION_LOCK_SECONDS)[0][0] != 1:
        raise MigrationLockedError(database)
    try:
        yield
    finally:
        try:
            cursor.execute("SELECT RELEASE_LOCK(%s)", (name,))
        except pymysql.MySQLError:
            # The session is gone, and its locks with it.
            cursor.connection.close()


def _yoyo_is_installed(cursor: Cursor, database: str) -> bool:
    """Tell whether yoyo's own tables are complete: the last thing it writes when it makes them is their version.

    It makes them in several statements, which MySQL cannot roll back, and never gets past what a killed process left.
    """
    found = _rows(
        cursor,
        "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        database,
        _VERSION_TABLE,
    )
    return bool(found and _rows(cursor, f"SELECT 1 FROM `{database}`.`{_VERSION_TABLE}` LIMIT 1"))  # noqa: S608 -- a checked identifier


def _drop_yoyo(cursor: Cursor, database: str) -> None:
    """Remove yoyo's incomplete tables: no migration is recorded in them, since none starts before they are complete."""
    for table in _YOYO_TABLES:
        cursor.execute(f"DROP TABLE IF EXISTS `{database}`.`{table}`")


def _database_exists(cursor: Cursor, database: str) -> bool:
    return bool(_rows(cursor, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", database))


def _rows(cursor: Cursor, query: str, *values: object) -> tuple[tuple[Any, ...], ...]:
    cursor.execute(query, values)
    return tuple(cursor.fetchall())


def _canary(found: tuple[tuple[Any, ...], ...]) -> CanarySeen | None:
    if not found:
        return None
    ((sent_at, milliseconds),) = found
    return CanarySeen(sent_at.replace(tzinfo=UTC), int(milliseconds))


def _first(error: BaseException) -> BaseException:
    """Return what went wrong first: MySQL's DDL ends transactions, so yoyo's own rollback fails on top of it."""
    while isinstance(error.__context__, pymysql.MySQLError):
        error = error.__context__
    return error


def _code(error: BaseException) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _message(error: BaseException) -> str:
    return str(error.args[1]) if len(error.args) > 1 else str(error)


def _translated(access: DatabaseAccess, error: pymysql.MySQLError) -> Exception:
    code, message = _code(error), advice.without_account(_message(error))
    remedy = advice.mysql(code, message)
    if code == ER.ACCESS_DENIED_ERROR and remedy is not None:
        return DatabaseAccessError(access.address, message, remedy)
    if code in _DENIED:
        return DatabaseAccessError(
            access.address,
            message,
            f"an administrator must run: GRANT ALL ON `{access.database}`.* TO the user of "
            "spec.mysql.credentialsSecretRef",
        )
    unreachable = code in _UNREACHABLE or isinstance(error, pymysql.InterfaceError)
    kind = DatabaseUnavailableError if unreachable else DatabaseError
    return kind(access.address, advice.joined(message, remedy))
