"""What a command held when its machine fell silent is free again soon."""

import pytest

from holded_cli import mysql as door
from holded_contracts.settings import MySQLSettings
from tests.support.gold import rows
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_mysql_ends_a_transaction_whose_command_says_nothing_more(
    mysql: MySQLSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "TRANSACTION_IDLE_SECONDS", 2)

    def write_and_fall_silent(session: door.Session) -> None:
        number = session.row("SELECT CONNECTION_ID() AS id")["id"]
        with session.transaction():
            session.audit("nobody", "idle", "{}")
            gone = "SELECT COUNT(*) = 0 FROM information_schema.processlist WHERE id = %s"
            wait_until(lambda: rows(mysql, gone, number) == [(1,)], what="MySQL has ended the session")

    with door.connected(mysql) as session, pytest.raises(door.GoldUnavailableError, match="Lost connection"):
        write_and_fall_silent(session)
    assert rows(mysql, "SELECT COUNT(*) FROM audit_log WHERE action = 'idle'") == [(0,)], "nothing of it is left"


def test_between_transactions_a_session_may_be_silent_for_longer(mysql: MySQLSettings) -> None:
    def bound(session: door.Session) -> int:
        return int(session.row("SELECT @@SESSION.wait_timeout AS seconds")["seconds"])

    with door.connected(mysql) as session:
        before = bound(session)
        with session.transaction():
            within = bound(session)
        assert (before, within, bound(session)) == (door.IDLE_SECONDS, door.TRANSACTION_IDLE_SECONDS, door.IDLE_SECONDS)
