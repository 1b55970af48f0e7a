"""Canaries from a collector through worker and sink, among events, under a rule that matches everything."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from holded_cli.main import app
from holded_contracts.canary import CANARY_TYPE
from holded_contracts.settings import (
    ClassificationRule,
    CollectorSettings,
    MySQLSettings,
    PipelineSettings,
    SinkSettings,
    WorkerSettings,
)
from tests.integration.cli.conftest import running
from tests.support.containers import free_port
from tests.support.gold import check_exactly_once, check_summaries, rows
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

EVENTS = 40
TYPE = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent"


@pytest.fixture
def url(pipeline: PipelineSettings, common: dict[str, Any], mysql: MySQLSettings) -> Iterator[str]:
    """A pipeline whose collector sends a canary a second."""
    rule = ClassificationRule(context="everything")
    pods = {part: f"{pipeline.name}-{part}-0" for part in ("collector", "worker", "sink")}
    ports = {part: free_port() for part in pods}
    collector = CollectorSettings(
        **common, port=ports["collector"], canary_period_seconds=1, pod_name=pods["collector"]
    )
    worker = WorkerSettings(
        **common, probes_port=ports["worker"], pod_name=pods["worker"], classification_rules=(rule,)
    )
    sink = SinkSettings(**common, mysql=mysql, probes_port=ports["sink"], pod_name=pods["sink"])
    password = {"HOLDED_MYSQL__PASSWORD": mysql.password.get_secret_value()}
    with ExitStack() as stack:
        stack.enter_context(running("holded-worker", worker, ports["worker"]))
        stack.enter_context(running("holded-sink", sink, ports["sink"], **password))
        yield stack.enter_context(running("holded-collector", collector, ports["collector"]))


def event(number: int) -> dict[str, Any]:
    return {"data": {"id": f"tx-{number}", "occurredAt": "2026-11-20T10:00:00Z"}, "headers": {"type": TYPE}}


def test_canaries_are_measured_and_leave_every_figure_of_events_as_it_is(
    url: str, mysql: MySQLSettings, mysql_environment: Callable[[MySQLSettings], None]
) -> None:
    answer = httpx.post(f"{url}/collect", json=[event(number) for number in range(EVENTS)], timeout=30)
    accepted = {result["event_id"] for result in answer.json()["results"]}
    wait_until(
        lambda: rows(mysql, "SELECT canaries >= 3 FROM ledger") == [(1,)], timeout=60, what="three canaries arrived"
    )
    ((latency,),) = rows(mysql, "SELECT latency_ms FROM canary")
    assert 0 <= latency < 30_000
    check_exactly_once(mysql, accepted)
    check_summaries(mysql)

    ((gold, dead, duplicates, kept),) = rows(
        mysql, "SELECT gold, dead_letters, duplicates, (SELECT COUNT(*) FROM events) FROM ledger"
    )
    assert (gold, dead, duplicates, kept) == (EVENTS, 0, 0, EVENTS)
    counted = "SELECT SUM(event_count) FROM events_analytics"
    wait_until(lambda: int(rows(mysql, counted)[0][0] or 0) == EVENTS, timeout=30, what="analytics has the events")
    assert rows(mysql, "SELECT DISTINCT business_context FROM events") == [("everything",)]
    for table in ("events", "events_summary_daily", "events_summary_hourly", "events_analytics", "events_dead_letter"):
        assert rows(mysql, f"SELECT COUNT(*) FROM {table} WHERE type = %s", CANARY_TYPE) == [(0,)]

    mysql_environment(mysql)
    verified = CliRunner().invoke(app, ["verify", "--output", "json"], env=dict(os.environ))
    assert verified.exit_code == 0, verified.output
    assert not [check for check in json.loads(verified.stdout)["checks"] if check["differences"]]

    def settled() -> bool:
        ((processed, *parts),) = rows(mysql, "SELECT processed, gold, dead_letters, duplicates FROM ledger")
        return bool(processed == sum(parts) == EVENTS)

    wait_until(settled, timeout=30, interval=0.1, what="between two canaries the ledger is that of the events alone")


def test_a_client_that_sends_the_reserved_type_is_told_so(url: str) -> None:
    answer = httpx.post(f"{url}/collect", json=[event(1) | {"headers": {"type": CANARY_TYPE}}], timeout=30)
    assert answer.status_code == 422
    ((problem,),) = [result["errors"] for result in answer.json()["results"]]
    assert problem["field"] == "headers.type"
    assert "reserved" in problem["message"]
