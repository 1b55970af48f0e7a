"""`holded report` against the real tables."""

import json

import pytest
from typer.testing import CliRunner

from holded_cli.main import app
from holded_contracts.settings import MySQLSettings
from tests.support.gold import gold

pytestmark = pytest.mark.integration

EVENT_ID = bytes(range(16))
TYPE = r"Holded\Invoicing\Domain\Invoice\Events\InvoicePaidEvent"

INSERT_EVENT = """
    INSERT INTO events (event_id, event_date, type, domain, entity, action, account_id, business_context, quality_score,
        amount, currency, occurred_at, received_at, processed_at, raw_partition, raw_offset, pipeline_version, data, metadata)
    VALUES (%s, '2026-11-01', %s, 'Invoicing', 'Invoice', 'paid', 'acc', %s, %s, %s, %s, %s, %s, %s, 0, 1, 'test', '{}', '{}')
"""
INSERT_DEAD_LETTER = """
    INSERT INTO events_dead_letter (identity, reason, stage, detail, topic, `partition`, `offset`, payload_kind, payload,
        failed_at, pipeline_version)
    VALUES (%s, 'invalid_type', 'worker', 'headers.type: not of the form', 'raw', 0, %s, 'event', '{}', '2026-11-01', 'test')
"""
INSERT_OFFSETS = """
    INSERT INTO sink_offsets (topic_id, `partition`, topic, artefact, next_offset, counted_offset, inserted, duplicates, dead)
    VALUES (%s, 0, %s, %s, 9, 9, %s, %s, %s)
"""
INSERT_WORKER = """
    INSERT INTO worker_ledger (topic_id, `partition`, topic, next_offset, records, silver, dead_letters, duplicates, committed_at)
    VALUES ('raw-id', 0, 'raw', 9, 9, 4, 2, 3, '2026-11-01')
"""


@pytest.fixture
def filled(mysql: MySQLSettings) -> MySQLSettings:
    """Three events, two dead letters, and a ledger in which one of nine records is still in flight."""
    with gold(mysql) as cursor:
        for number, (context, quality, amount, currency) in enumerate(
            [
                ("sales", "0.9000", "10.5000", "EUR"),
                ("sales", "0.5000", "2.0000", "USD"),
                ("people", "1.0000", None, None),
            ]
        ):
            at = f"2026-11-01 10:0{number}:00.123"
            identity = bytes([number]) + EVENT_ID[1:]
            cursor.execute(INSERT_EVENT, (identity, TYPE, context, quality, amount, currency, at, at, at))
        cursor.execute(INSERT_DEAD_LETTER, (b"a" * 16, 1))
        cursor.execute(INSERT_DEAD_LETTER, (b"b" * 16, 2))
        cursor.execute(INSERT_OFFSETS, ("silver-id", "silver", "silver", 3, 0, 0))
        cursor.execute(INSERT_OFFSETS, ("dead-id", "dead", "dead_letter", 2, 0, 0))
        cursor.execute(INSERT_WORKER)
    return mysql


def report(mysql: MySQLSettings, *arguments: str):
    environment = {
        "HOLDED_MYSQL__HOST": mysql.host,
        "HOLDED_MYSQL__PORT": str(mysql.port),
        "HOLDED_MYSQL__DATABASE": mysql.database,
        "HOLDED_MYSQL__USERNAME": mysql.username,
        "HOLDED_MYSQL__PASSWORD": mysql.password.get_secret_value(),
    }
    return CliRunner().invoke(app, ["report", *arguments], env=environment)


def test_json_holds_what_the_tables_hold(filled: MySQLSettings):
    result = report(filled, "--json", "--accepted", "9", "--newest", "1")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["contexts"] == [
        {"business_context": "sales", "events": 2, "mean_quality": 0.7, "amounts": {"EUR": "10.5000", "USD": "2.0000"}},
        {"business_context": "people", "events": 1, "mean_quality": 1.0, "amounts": {}},
    ]
    assert document["dead_letters"] == [
        {"stage": "worker", "reason": "invalid_type", "count": 2, "example": "headers.type: not of the form"}
    ]
    assert document["ledger"] == {
        "processed": 9, "gold": 3, "dead_letters": 2, "duplicates": 3, "accepted": 9, "in_flight": 1,
    }  # fmt: skip
    (newest,) = document["newest"]
    assert newest["event_id"] == "02010203-0405-0607-0809-0a0b0c0d0e0f"
    assert newest["occurred_at"] == "2026-11-01T10:02:00.123Z"


def test_tables_are_printed_for_people(filled: MySQLSettings):
    result = report(filled)
    assert result.exit_code == 0
    for expected in ("sales", "10.50 EUR", "invalid_type", "InvoicePaidEvent", "Ledger"):
        assert expected in result.stdout


def test_an_empty_database_is_reported_as_empty(mysql: MySQLSettings):
    result = report(mysql, "--json", "--accepted", "0")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["contexts"] == document["dead_letters"] == document["newest"] == []
    assert set(document["ledger"].values()) == {0}


def test_waiting_ends_as_soon_as_enough_events_are_settled(filled: MySQLSettings):
    assert report(filled, "--wait-for", "8", "--timeout", "20").exit_code == 0


def test_waiting_for_more_than_arrives_fails_with_the_count(filled: MySQLSettings):
    result = report(filled, "--wait-for", "9", "--timeout", "0.2")
    assert result.exit_code == 1
    assert "8 of 9 events are accounted for" in result.stderr


def test_a_database_without_tables_is_a_message(mysql_server: MySQLSettings):
    result = report(mysql_server.model_copy(update={"database": "no_such_database"}))
    assert result.exit_code == 1
    assert "no_such_database" in result.stderr
    assert "migrations have not run" in result.stderr
