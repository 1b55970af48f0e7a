"""The sample from `holded send` to `holded report` through collector, worker and sink."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holded_cli.main import app
from holded_cli.samples import Kind, Mix, generate
from holded_contracts.settings import MySQLSettings
from tests.support.gold import check_summaries, rows

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

EVENTS = Path(__file__).parents[2] / "data" / "events.json"
MIX = Mix()


def run(*arguments: str):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_sample_ends_where_its_kind_says(
    collector: str, worker_and_sink: MySQLSettings, mysql_environment: Callable[[MySQLSettings], None]
):
    mysql_environment(worker_and_sink)
    sent = run("send", str(EVENTS), "--url", collector, "--json")
    assert (sent["accepted"], sent["rejected"]) == (MIX.accepted, MIX.rejected)

    report = run("report", "--wait-for", str(MIX.accepted), "--timeout", "120", "--json")
    expected = {
        "accepted": MIX.accepted, "processed": MIX.accepted, "gold": MIX.gold, "dead_letters": MIX.dead_letters,
        "duplicates": MIX.duplicates, "in_flight": 0,
    }  # fmt: skip
    assert report["ledger"] == expected
    assert sum(context["events"] for context in report["contexts"]) == MIX.gold
    reasons = {row["reason"]: row["count"] for row in report["dead_letters"]}
    assert reasons == {"invalid_type": 6, "invalid_field": 6}
    check_summaries(worker_and_sink)

    run("send", str(EVENTS), "--url", collector, "--json")
    again = run("report", "--wait-for", str(2 * MIX.accepted), "--timeout", "120", "--json")
    assert again["ledger"] == expected | {
        "accepted": 2 * MIX.accepted, "processed": 2 * MIX.accepted, "duplicates": MIX.duplicates + MIX.accepted,
    }  # fmt: skip


def test_data_arrives_as_it_was_sent(
    collector: str, worker_and_sink: MySQLSettings, mysql_environment: Callable[[MySQLSettings], None]
):
    mysql_environment(worker_and_sink)
    run("send", str(EVENTS), "--url", collector, "--json")
    run("report", "--wait-for", str(MIX.accepted), "--timeout", "120", "--json")

    def canonical(data: object) -> str:
        return json.dumps(data, sort_keys=True, ensure_ascii=False)

    untouched = [sample for sample in generate() if sample.kind is Kind.GOLD and sample.about != "control characters"]
    statement = "SELECT data_text FROM events_view WHERE NOT JSON_CONTAINS_PATH(metadata, %s, %s)"
    found = rows(worker_and_sink, statement, "one", "$.sanitized")
    stored = Counter(canonical(json.loads(text)) for (text,) in found)
    assert stored == Counter(canonical(sample.event["data"]) for sample in untouched)
