"""One job, whoever supervises it; its memory outlives an upgrade; runners can be changed there and back."""

from collections import Counter
from pathlib import Path

import pytest

from holded_contracts.topics import Artefact
from tests.integration.flink.conftest import Flink
from tests.integration.worker.support import RawTopic, Topics, Workers, event, identity
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_a_job_is_adopted_and_an_upgrade_goes_by_savepoint(flink: Flink, raw: RawTopic, state: Topics) -> None:
    first = flink.start_ready()
    raw.send([event(number) for number in range(200)])
    wait_until(state.drained, timeout=120)
    job = first.job()["job_id"]
    assert first.stop() == 0
    assert [one["jid"] for one in flink.cluster.running_jobs()] == [job], "a supervisor that leaves lets the job run"

    second = flink.start_ready()
    assert second.job()["job_id"] == job, "the same settings: adopted"
    assert second.stop() == 0

    newer = flink.settings.pipeline.model_copy(update={"version": "newer"})
    third = flink.start_ready(pipeline=newer)
    assert third.job()["job_id"] != job
    assert "/savepoint-" in third.job()["restored_from"]
    assert len(flink.cluster.running_jobs()) == 1
    raw.send([event(number) for number in range(100, 300)])
    wait_until(state.drained, timeout=120)
    assert state.assert_ledger_balances() == {"records": 400, "silver": 300, "dead_letters": 0, "duplicates": 100}
    versions = Counter(value["pipeline_version"] for value in state.values(Artefact.SILVER))
    assert versions == {"test": 200, "newer": 100}
    assert "read from state" in flink.cluster.log(), "deduplication went on from the savepoint, not from silver"


def test_from_embedded_to_flink_and_back_nothing_is_lost_or_doubled(
    flink: Flink, raw: RawTopic, state: Topics, tmp_path: Path
) -> None:
    workers = Workers(flink.settings, str(tmp_path))
    try:
        embedded = workers.start_ready()
        raw.send([event(number) for number in range(200)])
        wait_until(state.drained, timeout=120)

        supervised = flink.start()
        wait_until(lambda: "members" in supervised.get("/ready").text, timeout=120, what="waits for the group")
        assert flink.cluster.running_jobs() == []
        raw.send([event(number) for number in range(100, 400)])
        embedded.kill()
        wait_until(supervised.ready, timeout=150, what="the job runs")
        wait_until(state.drained, timeout=120)

        supervised.stop()
        flink.cluster.cancel_all()
        raw.send([event(number) for number in range(300, 500)])
        workers.start_ready("worker-1")
        wait_until(state.drained, timeout=120)
    finally:
        workers.kill_all()
    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(event(number)) for number in range(500))
    assert state.assert_ledger_balances() == {"records": 700, "silver": 500, "dead_letters": 0, "duplicates": 200}
