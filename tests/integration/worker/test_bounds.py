"""What the worker bounds: the memory of its deduplication index, the time an event waits, the records of a batch."""

import time

import pytest
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from holded_contracts.settings import MySQLSettings, SinkSettings, WorkerBatch, WorkerSettings
from holded_contracts.topics import Artefact
from tests.integration.sink import harness as sink
from tests.integration.worker.support import RawTopic, Topics, consumer, event, identity, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

CAP = 1_000
"""The least that `worker.dedupMaxIds` may be."""


@pytest.fixture
def sink_settings(settings: WorkerSettings, mysql: MySQLSettings) -> SinkSettings:
    """A sink behind the worker."""
    return SinkSettings(
        pipeline=settings.pipeline,
        kafka=settings.kafka,
        schema_registry=settings.schema_registry,
        topics=settings.topics,
        mysql=mysql,
        pod_name=f"{settings.pipeline.name}-sink-0",
    )


def test_a_full_index_forgets_its_oldest_ids_and_says_so_and_gold_refuses_their_duplicates(
    settings: WorkerSettings, raw: RawTopic, state: Topics, mysql: MySQLSettings, sink_settings: SinkSettings
) -> None:
    early = [event(number) for number in range(2_000)]
    late = [event(number) for number in range(2_000, 2_300)]
    capped = settings.model_copy(update={"dedup_max_ids": CAP})
    with capture_logs() as logged, running(capped) as metrics:
        raw.send(early)
        wait_until(state.drained, timeout=60)
        raw.send(late)
        wait_until(state.drained, timeout=60)
        raw.send([*late, *early[:700]])
        wait_until(state.drained, timeout=60)
        forgotten = metrics.get_sample_value("holded_worker_dedup_ids_forgotten_early_total") or 0
    counts = state.assert_ledger_balances()
    assert counts["duplicates"] == len(late), "the youngest are still known, the oldest are not"
    assert counts["silver"] == len(early) + len(late) + 700
    kept = counts["silver"] - forgotten
    assert CAP - CAP // 8 < kept <= CAP, "no more ids than the cap, and not many fewer"
    warnings = [line for line in logged if "oldest ids leave early" in line["event"]]
    assert sum(line["forgotten"] for line in warnings) == forgotten
    assert {(line["log_level"], line["max_ids"]) for line in warnings} == {("warning", CAP)}

    gold = sink.GoldView(mysql)
    with sink.running(sink_settings):
        wait_until(lambda: gold.ledger() == (2_300, 0, 1_000, 3_300), timeout=60, what="gold has refused the copies")
    assert gold.value("SELECT COUNT(*) FROM events") == len(early) + len(late)
    gold.assert_summaries_equal_group_by()


def test_a_quiet_worker_takes_each_event_at_once_and_a_loaded_one_many_together(
    settings: WorkerSettings, raw: RawTopic, state: Topics
) -> None:
    quiet, backlog = 9, 10_000
    settings = settings.model_copy(update={"batch": WorkerBatch(max_events=2_500, max_wait_ms=100)})
    raw.send([event(number) for number in range(backlog)])
    with running(settings) as metrics:
        records = "holded_worker_records_total"
        wait_until(lambda: metrics.get_sample_value(records) == backlog, timeout=90, what="all are counted")
        loaded = _batches(metrics)
        assert backlog / loaded >= 500, f"{backlog} records in {loaded} batches"

        seconds = []
        ends = state.end_offsets(Artefact.SILVER)
        with consumer(settings) as reader:
            reader.assign([TopicPartition(settings.topics.silver, partition, end) for partition, end in ends.items()])
            for number in range(backlog, backlog + quiet):
                began = time.monotonic()
                raw.send([event(number)])
                wait_until(lambda: _next(reader) == identity(event(number)), interval=0)  # noqa: B023 -- called at once
                seconds.append(time.monotonic() - began)
        # Counted when it is committed, which silver's reader may see first.
        wait_until(
            lambda: state.drained() and _batches(metrics) == loaded + quiet, what="nobody waits for a second event"
        )
    assert min(seconds) < 5, "a single event is in silver soon after the wait has passed"


def _batches(metrics: CollectorRegistry) -> float:
    return metrics.get_sample_value("holded_worker_batch_records_count") or 0


def _next(reader: Consumer) -> bytes | None:
    message = reader.poll(0.1)
    return message.key() if message is not None and message.error() is None else None


def test_a_batch_stays_open_for_its_wait(settings: WorkerSettings, raw: RawTopic, state: Topics) -> None:
    settings = settings.model_copy(update={"batch": WorkerBatch(max_events=3, max_wait_ms=60_000)})
    with running(settings) as metrics:
        raw.send([event(0)])
        raw.send([event(1)])
        assert _batches(metrics) == 0
        raw.send([event(2)])
        wait_until(state.drained, timeout=50, what="a full batch does not wait")
    assert _batches(metrics) == 1
