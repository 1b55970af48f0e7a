"""A sink that kills itself (SIGKILL) before its n-th statement to MySQL since a batch began; n by argument.

`n` counts START TRANSACTION as 0. With `answer` as second argument it is killed after MySQL has carried the statement out
and before its answer is read.
"""

import os
import signal
import sys
from typing import Any

import pymysql.connections

from holded_sink.io import statements
from holded_sink.main import main

NUMBER = int(sys.argv[1])
LEDGER = statements.SELECT_LEDGER[:40].encode()
AFTER_SENDING = sys.argv[2:] == ["answer"]
_connection: Any = pymysql.connections.Connection
_execute = _connection._execute_command
_read = _connection._read_query_result
_read_ok = _connection._read_ok_packet
_sent = -1
_owner: Any = None


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _execute_command(self: Any, command: int, sql: Any) -> Any:
    global _sent, _owner  # noqa: PLW0603 -- one process, one count
    text = sql.encode() if isinstance(sql, str) else sql
    if text == statements.BEGIN.encode():
        _sent, _owner = 0, self
    elif self is not _owner:
        return _execute(self, command, sql)  # the partition keeper has a connection of its own
    elif text.startswith(LEDGER):
        _sent = -1  # housekeeping, between two batches
    elif _sent >= 0:
        _sent += 1
    if _sent == NUMBER and not AFTER_SENDING:
        _die()
    return _execute(self, command, sql)


def _read_query_result(self: Any, *arguments: Any, **options: Any) -> Any:
    if _sent == NUMBER and AFTER_SENDING:
        _read(self, *arguments, **options)
        _die()
    return _read(self, *arguments, **options)


def _read_ok_packet(self: Any) -> Any:
    if _sent == NUMBER and AFTER_SENDING:
        _read_ok(self)
        _die()
    return _read_ok(self)


_connection._execute_command = _execute_command
_connection._read_query_result = _read_query_result
_connection._read_ok_packet = _read_ok_packet

if __name__ == "__main__":
    main()
