"""One connection to MySQL, made anew after a fault, with every error in our own three kinds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from holded_contracts import advice
from holded_contracts.io.tls import AuthoritiesError, mysql_tls
from holded_contracts.settings import MySQLSettings
from holded_sink.errors import SystemicError, TransientError, classify
from holded_sink.io import statements

CONNECT_TIMEOUT = 10
"""Seconds."""

ANSWER_TIMEOUT = 60
"""Seconds after which an unanswered statement counts as a lost connection; below the liveness probe's patience."""

LOCK_WAIT_SECONDS = 10
"""Shorter than MySQL's 50: a waiting batch is retried anyhow, and the loop must show that it is alive."""

IDLE_SECONDS = 20
"""Seconds after which MySQL ends a connection on which nothing is asked, its own default being 8 hours. When a sink is
cut off in mid-transaction nobody else tells MySQL, and until then the next sink, or the same one on a new connection,
waits for the locks."""

MIN_PACKET = 16 * 1024 * 1024
"""Bytes a statement may need: a dead letter of a Kafka record of a few MiB, written as hexadecimal."""

# The server's own defaults may be anything. Without strict mode it would cut values silently; DATETIME columns are UTC.
# READ COMMITTED: each statement sees what other sinks have committed, which the check for known ids relies on, and
# inserts take no gap locks, over which two sinks would deadlock.
# NO_BACKSLASH_ESCAPES: a quote is all that has to be doubled, by PyMySQL, which follows it, and by sqltext.py, which
# relies on it. JSON is full of what would otherwise be escaped, which cost a third of the client's time for a row.
_SESSION = (
    "SET SESSION time_zone = '+00:00', "
    "sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,"
    "NO_BACKSLASH_ESCAPES', "
    "transaction_isolation = 'READ-COMMITTED', "
    f"innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, lock_wait_timeout = {2 * LOCK_WAIT_SECONDS}, "
    f"wait_timeout = {IDLE_SECONDS}"
)


def _iso(moment: date, mapping: object = None) -> str:  # noqa: ARG001 -- the driver's signature of a converter
    return f"'{moment}'"


_CONVERTERS: dict[Any, Any] = {**pymysql.converters.conversions, datetime: _iso, date: _iso}
"""The driver formats times field by field; their own text is what MySQL reads, too, at a fifth of the cost."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what PyMySQL raises into TransientError, RefusedContentError or SystemicError."""
    try:
        yield
    except pymysql.err.Error as error:
        code = error.args[0] if error.args else 0
        said = advice.without_account(" ".join(str(part) for part in error.args[1:]))
        raise classify(code)(advice.joined(f"MySQL {code} {said}", advice.mysql(code, said))) from error
    except AuthoritiesError as error:
        raise SystemicError(str(error)) from error
    except OSError as error:
        raise TransientError(f"MySQL connection: {error}") from error


class Database:
    """Hands out cursors on one autocommit connection; transactions are explicit."""

    def __init__(self, settings: MySQLSettings) -> None:
        self._settings = settings
        self._connection: Connection[Cursor] | None = None
        self._used = 0.0
        """When the connection was used last, by the monotonic clock."""

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """Yield a cursor; errors come out translated, and a faulty connection is not used again."""
        try:
            with translated_errors():
                connection = self._connected()
                with connection.cursor() as cursor:
                    yield cursor
            self._used = time.monotonic()
        except (TransientError, SystemicError):
            self.close()
            raise

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[Cursor]:
        """Yield a cursor in a transaction; at its end it is committed if `commit` is True and nothing failed."""
        with self.cursor() as cursor:
            cursor.execute(statements.BEGIN)
            try:
                yield cursor
                if commit:
                    cursor.connection.commit()
                else:
                    cursor.connection.rollback()
            except BaseException:
                # A connection that is gone, or that an interrupted answer left out of step, can't be rolled back: the
                # server does it when the connection ends.
                self._roll_back_or_close()
                raise

    def close(self) -> None:
        """End the connection; the next cursor opens another."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.open:
            connection.close()

    def _roll_back_or_close(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rollback()
        except (pymysql.err.Error, OSError):
            self.close()

    def _connected(self) -> "Connection[Cursor]":
        if time.monotonic() - self._used > IDLE_SECONDS / 2:
            self.close()  # before MySQL does, which would be told as a fault
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> "Connection[Cursor]":
        settings = self._settings
        connection = pymysql.connect(
            host=settings.host,
            port=settings.port,
            user=settings.username,
            password=settings.password.get_secret_value(),
            database=settings.database,
            charset="utf8mb4",
            conv=_CONVERTERS,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=ANSWER_TIMEOUT,
            write_timeout=ANSWER_TIMEOUT,
            init_command=_SESSION,
            **mysql_tls(advice.MYSQL_RESOURCE.ca, settings.tls, file=settings.ca_location),
        )
        with connection.cursor() as cursor:
            cursor.execute(statements.SERVER_LIMITS)
            packet, mode = cursor.fetchone() or (0, "")
        if packet < MIN_PACKET:
            connection.close()
            raise SystemicError(f"MySQL's max_allowed_packet is {packet} bytes, the sink needs {MIN_PACKET}")
        if "NO_BACKSLASH_ESCAPES" not in mode:
            connection.close()
            raise SystemicError("the session's sql_mode is not what was set: something between it and MySQL changes it")
        return connection
