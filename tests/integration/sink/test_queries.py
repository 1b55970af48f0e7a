"""The queries of docs/guides/queries.md: what the page says of EXPLAIN is what MySQL answers."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pymysql
import pytest

from holded_contracts.topics import Artefact
from holded_sink.io.maintenance import PartitionKeeper
from tests.integration.sink.harness import running, silver

pytestmark = pytest.mark.integration

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "queries.md"
_SECTION = re.compile(
    r"^Uses `(\w+)`, type `(\w+)`(?:, partitions `([\w,]+)`)?[^\n]*\n\n(.*?)(?=^Uses |^## |\Z)",
    re.MULTILINE | re.DOTALL,
)
_FULL_SCANS = {"ALL", "index"}


class Promise(NamedTuple):
    """What the page says of one query."""

    key: str
    access: str
    partitions: str | None
    query: str


def promises() -> list[Promise]:
    found = []
    for key, access, partitions, text in _SECTION.findall(GUIDE.read_text()):
        queries = re.findall(r"```sql\n(.*?);\n```", text, re.DOTALL)
        assert queries, f"no query after: Uses `{key}`"
        found.append(Promise(key, access, partitions or None, queries[-1]))
    return found


@pytest.fixture
def filled(settings, stream, gold):
    """Some thousand events over days that have partitions, and statistics as MySQL would gather them in time."""
    today = datetime(2026, 11, 23, tzinfo=UTC).date()
    PartitionKeeper(settings.mysql, actor="sink-0", retention_days=0, today=lambda: today).run()
    with running(settings):
        with stream.transaction():
            for number in range(4000):
                stream.write(Artefact.SILVER, silver(number))
        gold.wait_for(4000)
    for number in range(300):
        gold.query("INSERT INTO audit_log (actor, action, detail) VALUES ('test', %s, '{}')", f"action-{number}")
    gold.query("ANALYZE TABLE events, events_summary_daily, events_summary_hourly, audit_log")
    return gold


def test_every_query_of_the_guide_is_answered_by_the_index_it_names(filled):
    checked = promises()
    assert len(checked) >= 8
    for promise in checked:
        plan = _explain(filled, promise.query)
        assert plan["type"] not in _FULL_SCANS, promise.query
        assert (plan["key"], plan["type"]) == (promise.key, promise.access), f"{promise.query}\n{plan}"
        if promise.partitions:
            assert plan["partitions"] == promise.partitions, promise.query


def test_the_queries_of_the_guide_find_something(filled):
    ours = {"by_event", "by_action"}  # an id and an action that no row here has
    empty = [one.query for one in promises() if one.key not in ours and not filled.query(one.query)]
    assert not empty


def test_entity_id_is_the_json_path_and_never_refuses_a_row(settings, stream, gold):
    odd = [
        '{"id": 7}',
        '{"id": {"a": 1}}',
        "[1]",
        '{"id": null}',
        '{"id": "' + "é" * 100 + '"}',
        '{"id": "\\u0000"}',
        "{}",
    ]
    with running(settings):
        with stream.transaction():
            for number, data in enumerate(odd):
                stream.write(Artefact.SILVER, silver(number, data=data))
        gold.wait_for(len(odd))

    assert gold.ledger() == (len(odd), 0, 0, 0)
    found = [row[0] for row in gold.query("SELECT entity_id FROM events ORDER BY raw_offset")]
    assert found == ["7", '{"a": 1}', None, "null", "é" * 64, "\0", None]


def _explain(gold, query: str) -> dict[str, object]:
    connection = gold.connect(pymysql.cursors.DictCursor)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {query}")
        plan: list[dict[str, object]] = cursor.fetchall()
    assert len(plan) == 1, query
    return plan[0]
