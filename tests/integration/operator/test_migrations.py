"""The migrations of sql/: forward from every released state to one schema, and harmless the second time."""

import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from holded_contracts.settings import MySQLSettings
from holded_operator.gateways.interfaces import DatabaseAccess
from holded_operator.gateways.mysql import MySQLDatabase
from tests.support.migrations import SQL_DIR

pytestmark = pytest.mark.integration

FILES = sorted(SQL_DIR.glob("*.sql"))
EVENT = (
    "INSERT INTO events (event_id, event_date, type, domain, entity, action, business_context, quality_score,"
    " occurred_at, received_at, processed_at, raw_partition, raw_offset, pipeline_version, data, metadata) VALUES"
    " (REPEAT('a', 16), '2026-11-23', 't', 'd', 'e', 'a', 'c', 1, NOW(), NOW(), NOW(), 0, 0, 'v', '{\"id\": \"tx\"}', '{}')"
)


@pytest.fixture
def access(mysql_server: MySQLSettings) -> Iterator[DatabaseAccess]:
    name = f"migrations_{secrets.token_hex(4)}"
    server = mysql_server
    yield DatabaseAccess(server.host, server.port, name, server.username, server.password.get_secret_value())
    query(server, None, f"DROP DATABASE IF EXISTS {name}")


def query(server: MySQLSettings, database: str | None, statement: str) -> tuple[tuple[Any, ...], ...]:
    connection = pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.username,
        password=server.password.get_secret_value(),
        database=database,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return tuple(cursor.fetchall())


def schema(server: MySQLSettings, access: DatabaseAccess) -> dict[str, Any]:
    """Return how MySQL itself would make every object again."""
    name = access.database
    kinds = [
        *query(
            server, None, f"SELECT 'TABLE', TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}'"
        ),
        *query(
            server,
            None,
            f"SELECT 'PROCEDURE', ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{name}'",
        ),
    ]
    made = {}
    for kind, item in kinds:
        row = query(server, name, f"SHOW CREATE {kind} `{item}`")[0]
        text = str(row[2] if kind == "PROCEDURE" else row[1]).replace(name, "DATABASE")
        made[item] = re.sub(r" AUTO_INCREMENT=\d+", "", text)  # where counting has got to
    return made


@pytest.fixture
def wanted(mysql_server: MySQLSettings, access: DatabaseAccess) -> dict[str, Any]:
    """The schema of a new database."""
    MySQLDatabase(SQL_DIR).migrate(access)
    found = schema(mysql_server, access)
    query(mysql_server, None, f"DROP DATABASE {access.database}")
    return found


@pytest.mark.parametrize("released", range(1, len(FILES)), ids=[path.stem[:4] for path in FILES[:-1]])
def test_every_released_state_goes_forward_to_the_same_schema_with_its_rows(
    wanted: dict[str, Any], mysql_server: MySQLSettings, access: DatabaseAccess, tmp_path: Path, released: int
) -> None:
    for path in FILES[:released]:
        shutil.copy(path, tmp_path)
    MySQLDatabase(tmp_path).migrate(access)
    query(mysql_server, access.database, EVENT)

    done = MySQLDatabase(SQL_DIR).migrate(access)

    assert list(done) == [path.stem for path in FILES[released:]]
    assert schema(mysql_server, access) == wanted
    assert query(mysql_server, access.database, "SELECT COUNT(*) FROM events") == ((1,),)


def test_a_migration_that_stopped_anywhere_can_be_applied_again(
    wanted: dict[str, Any], mysql_server: MySQLSettings, access: DatabaseAccess
) -> None:
    gateway = MySQLDatabase(SQL_DIR)
    gateway.migrate(access)
    query(mysql_server, access.database, EVENT)
    for path in FILES:
        query(mysql_server, access.database, f"DELETE FROM _yoyo_migration WHERE migration_id = '{path.stem}'")
        assert gateway.migrate(access) == (path.stem,)
    assert {name: text for name, text in schema(mysql_server, access).items() if name in wanted} == wanted
    assert query(mysql_server, access.database, "SELECT COUNT(*) FROM events") == ((1,),)
