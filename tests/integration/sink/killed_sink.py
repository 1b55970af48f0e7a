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
AFTER_SENDING = sys.argv[2:] == ["answer"]
_connection: Any = pymysql.connections.Connection
_execute = _connection._execute_command
_read = _connection._read_query_result
_read_ok = _connection._read_ok_packet
_sent = -1
_last = b""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _execute_command(self: Any, command: int, sql: Any) -> Any:
    global _sent, _last  # noqa: PLW0603 -- one process, one count
    text = sql.encode() if isinstance(sql, str) else sql
    if text == statements.BEGIN.encode():
        _sent = 0
    elif _sent >= 0:
        _sent = -1 if _last == b"COMMIT" else _sent + 1
    _last = text
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
