"""The door to MySQL: one connection for the time of a `with` block, and sentences instead of error numbers."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.constants import ER
from pymysql.cursors import DictCursor, SSDictCursor

from holded_contracts import advice
from holded_contracts.io.tls import AuthoritiesError, mysql_tls
from holded_contracts.locks import Work, lock_name
from holded_contracts.settings import MySQLSettings

type Row = dict[str, Any]

REPORT_TIMEOUT_SECONDS = 60
LONG_TIMEOUT_SECONDS = 3600
"""For statements that read all of gold."""
_LOCK_PATIENCE_SECONDS = 60

# MySQL's own default is 8 hours: so long would it keep the locks of a laptop that was closed while it worked.
IDLE_SECONDS = 2 * LONG_TIMEOUT_SECONDS
"""Seconds after which MySQL ends a session on which nothing is asked, with the advisory locks that it holds."""
TRANSACTION_IDLE_SECONDS = 60
"""The same in a transaction, which waits for nothing but MySQL."""

_NOT_THERE_YET = frozenset({ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR, ER.BAD_FIELD_ERROR})
_MISSING_RIGHTS = frozenset({ER.TABLEACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR})

# As the sink has it: times in UTC, nothing cut silently. READ COMMITTED: each statement sees what is committed by then.
_SESSION = (
    "SET SESSION time_zone = '+00:00', "
    "sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', "
    f"transaction_isolation = 'READ-COMMITTED', wait_timeout = {IDLE_SECONDS}"
)


class GoldUnavailableError(Exception):
    """MySQL cannot be reached, refuses the user, or does not have the tables yet; the sentence says which."""


class BusyError(GoldUnavailableError):
    """Somebody else holds a lock that this work needs."""


@contextmanager
def connected(
    settings: MySQLSettings, *, connect_timeout_seconds: int = 10, answer_timeout_seconds: int = REPORT_TIMEOUT_SECONDS
) -> Iterator["Session"]:
    """Connect for the time of a `with` block.

    Raises
    ------
    GoldUnavailableError
        If there is no connection to be had, or a statement in the block fails.
    """
    where = f"MySQL at {settings.host}:{settings.port}: "
    try:
        connection = pymysql.connect(
            host=settings.host,
            port=settings.port,
            user=settings.username,
            password=settings.password.get_secret_value(),
            database=settings.database,
            charset="utf8mb4",
            autocommit=True,
            cursorclass=DictCursor,
            connect_timeout=connect_timeout_seconds,
            read_timeout=answer_timeout_seconds,
            init_command=_SESSION,
            **mysql_tls(advice.MYSQL_ENVIRONMENT.ca, settings.tls, file=settings.ca_location),
        )
    except AuthoritiesError as error:
        raise GoldUnavailableError(str(error)) from error
    except pymysql.MySQLError as error:
        raise GoldUnavailableError(where + _sentence(error)) from error
    try:
        yield Session(connection)
    finally:
        if connection.open:
            connection.close()


class Session:
    """One connection in autocommit mode; transactions are explicit. Every method raises GoldUnavailableError."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, statement: str, *arguments: object) -> list[Row]:
        """Return all rows of a query."""
        with translated(), self._connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return list(cursor.fetchall())

    def row(self, statement: str, *arguments: object) -> Row:
        """Return the only row of a query."""
        (found,) = self.rows(statement, *arguments)
        return found

    def stream(self, statement: str, *arguments: object) -> Iterator[Row]:
        """Yield the rows of a query as they come; the session is taken until the last one."""
        with translated(), self._connection.cursor(SSDictCursor) as cursor:
            cursor.execute(statement, arguments or None)
            yield from cursor.fetchall_unbuffered()

    def change(self, statement: str, *arguments: object) -> int:
        """Run a statement and return the number of rows it changed."""
        with translated(), self._connection.cursor() as cursor:
            return int(cursor.execute(statement, arguments or None))

    def change_many(self, statement: str, rows: list[tuple[Any, ...]]) -> int:
        """Run a statement for each row; INSERT … VALUES becomes one statement of many rows."""
        if not rows:
            return 0
        with translated(), self._connection.cursor() as cursor:
            return int(cursor.executemany(statement, rows) or 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end of the block, or nothing of it."""
        self._end_when_idle(TRANSACTION_IDLE_SECONDS)
        self.change("START TRANSACTION")
        with self._until_the_end():
            yield
        self._end_when_idle(IDLE_SECONDS)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything in the block as it is now, whatever others write meanwhile."""
        self.change("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.change("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        with self._until_the_end():
            yield

    @contextmanager
    def lock(self, work: Work) -> Iterator[None]:
        """Hold an advisory lock; it goes with the connection, too.

        Raises
        ------
        BusyError
            If somebody else still holds it when patience is over.
        """
        name = lock_name(work)
        if self.row(f"SELECT GET_LOCK({name}, %s) AS mine", _LOCK_PATIENCE_SECONDS)["mine"] != 1:
            raise BusyError(f"somebody else is at it ({work}); waited {_LOCK_PATIENCE_SECONDS} s")
        try:
            yield
        finally:
            if self._connection.open:
                self.rows(f"SELECT RELEASE_LOCK({name})")

    def audit(self, actor: str, action: str, detail: str) -> None:
        """Append a line to the audit log; `detail` is JSON and holds no content of an event."""
        self.change("INSERT INTO audit_log (actor, action, detail) VALUES (%s, %s, %s)", actor, action, detail)

    def _end_when_idle(self, seconds: int) -> None:
        self.change("SET SESSION wait_timeout = %s", seconds)

    @contextmanager
    def _until_the_end(self) -> Iterator[None]:
        try:
            yield
            with translated():
                self._connection.commit()
        except BaseException:
            if self._connection.open:
                with suppress(pymysql.MySQLError):  # then nothing is left of it, and the cause is what to tell
                    self._connection.rollback()
            raise


class ConflictError(GoldUnavailableError):
    """A deadlock or a lock that was not to be had in time: the transaction is undone and may be repeated."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn PyMySQL's errors into ours."""
    try:
        yield
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args else 0
        kind = ConflictError if code in (ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT) else GoldUnavailableError
        raise kind(_sentence(error)) from error


def utc(moment: datetime) -> datetime:
    """Return a time of MySQL's, which has no zone, with the zone it is in."""
    return moment.replace(tzinfo=UTC)


def _sentence(error: pymysql.MySQLError) -> str:
    code, *rest = error.args or (0,)
    message = str(rest[0]) if rest else str(error)
    if code in _NOT_THERE_YET:
        message += " (the migrations have not run here yet)"
    if code in _MISSING_RIGHTS:
        message += " (docs/guides/database-users.md lists the rights of each command)"
    return advice.joined(message, advice.mysql(code, message, advice.MYSQL_ENVIRONMENT))
