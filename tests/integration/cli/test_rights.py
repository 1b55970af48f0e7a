"""Each command works with the rights that docs/guides/database-users.md has for it, and with none of them taken away."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from pydantic import SecretStr

from holded_contracts.settings import MySQLSettings
from tests.integration.cli.filling import SinkWriter, complaint, holded
from tests.integration.sink.harness import event_id, letter, silver
from tests.support.database_users import GUIDE, create_user
from tests.support.gold import gold

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NUMBERS = count(1000, 1000)


@contextmanager
def user(mysql: MySQLSettings, kind: str) -> Iterator[MySQLSettings]:
    name = f"{kind}_{secrets.token_hex(4)}"
    with gold(mysql) as cursor:
        password = create_user(cursor, kind, name, mysql.database, tls=False)
        try:
            yield mysql.model_copy(update={"username": name, "password": SecretStr(password)})
        finally:
            cursor.execute(f"DROP USER {name}")


def grants(kind: str) -> list[tuple[str, str]]:
    """Return each right of a kind of user, with the table or * it is on."""
    block = GUIDE.read_text().partition(f"<!-- {kind} -->")[2].partition("```\n")[0]
    return [
        (right.strip(), table)
        for rights, table in re.findall(r"GRANT (.*) ON holded\.(\S+) TO", block)
        for right in re.split(r",\s*(?![^(]*\))", rights)
    ]


@pytest.fixture
def commands(request: pytest.FixtureRequest) -> dict[str, Callable]:
    """By kind of user: makes work for the commands, runs them as a user, returns what they complain about."""
    environment: dict[str, str] = {}

    def run(settings: MySQLSettings, *arguments: object) -> str:
        result = holded(settings, *arguments, **environment)
        return complaint(result) or "failed" if result.exit_code else ""

    def analyst(mysql: MySQLSettings, settings: MySQLSettings) -> str:
        return run(settings, "report") or run(settings, "verify") or run(settings, "replay", "--list")

    def rebuild(mysql: MySQLSettings, settings: MySQLSettings) -> str:
        with gold(mysql) as cursor:
            for table in ("events_summary_hourly", "events_summary_daily"):
                cursor.execute(f"UPDATE {table} SET event_count = event_count + 1 LIMIT 1")
                cursor.execute(f"UPDATE IGNORE {table} SET account_id = 'nobody' ORDER BY type DESC LIMIT 1")
        return run(settings, "rebuild")

    def replay(mysql: MySQLSettings, settings: MySQLSettings) -> str:
        number = next(NUMBERS)
        kafka, registry, topics = map(request.getfixturevalue, ("kafka", "schema_registry", "topics"))
        environment.update(
            HOLDED_KAFKA__BOOTSTRAP_SERVERS=kafka.bootstrap_servers,
            HOLDED_SCHEMA_REGISTRY__URL=registry.url,
            HOLDED_TOPICS__RAW=topics.raw,
        )
        account, payload = f"acme-{number}", b'{"headers": {}}'
        letters = [letter(number + one, payload=payload, account_id=account) for one in range(2)]
        SinkWriter(mysql, partition=number).write(letters=letters)
        said = run(settings, "replay", "--account", account, "--limit", 1, "--wait", 0)
        if "not everything was sent and has landed" in said:
            said = ""  # nobody reads raw here
        return said or run(settings, "replay", "--account", account, "--discard")

    def erase(mysql: MySQLSettings, settings: MySQLSettings) -> str:
        number = next(NUMBERS)
        whose = {"account_id": f"acme-{number}", "user_id": f"user-{number}"}
        events = [silver(number + one, **whose, occurred_at=silver(one)["occurred_at"]) for one in range(5)]
        shared = [silver(number + 10 + one, user_id=f"user-{number}") for one in range(5)]
        dead = [letter(number + 50 + one, account_id=f"acme-{number}") for one in range(2)]
        others = [one | {"event_id": event_id(number + 30 + at), "user_id": "other"} for at, one in enumerate(shared)]
        SinkWriter(mysql, partition=number).write([*events, *shared, *others], dead)
        with gold(mysql) as cursor:
            cursor.execute("DELETE FROM events_analytics")
            cursor.execute(
                "INSERT INTO events_analytics (window_start, account_id, business_context, type, event_count, amount_sum, "
                "quality_sum, processed_at) SELECT DATE_FORMAT(occurred_at, '%Y-%m-%d %H:%i:00') AS bucket, "
                "COALESCE(account_id, '') AS account, business_context, type, COUNT(*), COALESCE(SUM(amount), 0), "
                "SUM(quality_score), '2026-11-23' FROM events GROUP BY bucket, account, business_context, type"
            )
            cursor.execute(
                "INSERT INTO dead_letter_replays (dead_letter_id, event_id, payload, patches, requested_by) "
                "SELECT id, UNHEX(LEFT(SHA2(id, 256), 32)), '{}', 0, 'x' FROM events_dead_letter WHERE account_id = %s",
                (f"acme-{number}",),
            )
        return run(settings, "erase", "--user", f"user-{number}") or run(
            settings, "erase", "--account", f"acme-{number}"
        )

    return {"analyst": analyst, "rebuild": rebuild, "replay": replay, "erase": erase}


@pytest.mark.parametrize("kind", ["analyst", "rebuild", "replay", "erase"])
def test_a_command_needs_every_right_that_the_guide_gives_it_and_no_other(
    mysql: MySQLSettings, commands: dict[str, Callable], kind: str
) -> None:
    SinkWriter(mysql).write([silver(number) for number in range(60)])
    with user(mysql, kind) as settings:
        assert commands[kind](mysql, settings) == ""
        needed = [(right, table) for right, table in grants(kind) if right != "SHOW VIEW"]
        assert len(needed) >= 1
        for right, table in needed:
            where = f"`{mysql.database}`.{table}"
            with gold(mysql) as cursor:
                cursor.execute(f"REVOKE {right} ON {where} FROM {settings.username}")
            assert "denied" in commands[kind](mysql, settings), f"{kind} does not need {right} on {table}"
            with gold(mysql) as cursor:
                cursor.execute(f"GRANT {right} ON {where} TO {settings.username}")
        assert commands[kind](mysql, settings) == ""
