"""A canary goes where it is measured, and nowhere else."""

import time

import pytest
from prometheus_client import REGISTRY

from holded_contracts.topics import Artefact
from tests.integration.sink.harness import canary, letter, running, silver
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

TABLES = (
    *("events", "event_ids", "events_summary_hourly", "events_summary_daily", "events_analytics"),
    "events_dead_letter",
)


def sent_last(gold) -> tuple[str, int]:
    ((pod, second),) = gold.query("SELECT pod, TIMESTAMPDIFF(SECOND, '2026-11-23 12:00:00', sent_at) FROM canary")
    return pod, second


@pytest.fixture
def filled(settings, stream, gold):
    """Gold with three canaries among events, the newest of which was not the last to come."""
    with stream.transaction():
        for number in range(30):
            stream.write(Artefact.SILVER, silver(number))
        stream.write(Artefact.SILVER, canary(5, "collector-b"))
        stream.write(Artefact.SILVER, canary(3, "collector-a"))
        stream.write(Artefact.DEAD_LETTER, letter(77) | {"source": canary(9)["source"]})
    with running(settings):
        gold.wait_for(stream.written)
    return gold


def test_canaries_are_in_one_row_and_in_no_table_of_events(filled):
    assert sent_last(filled) == ("collector-b", 5)
    assert filled.value("SELECT latency_ms > 0 FROM canary") == 1
    assert filled.ledger()[:3] == (30, 0, 0)
    assert filled.value("SELECT canaries FROM ledger") == 3
    counts = {table: filled.value(f"SELECT COUNT(*) FROM {table}") for table in TABLES}
    assert (counts["events"], counts["event_ids"]) == (30, 30)
    assert (counts["events_analytics"], counts["events_dead_letter"]) == (0, 0)
    filled.assert_summaries_equal_group_by()
    details = filled.query("SELECT JSON_EXTRACT(detail, '$[*].canaries') FROM audit_log WHERE action = 'batch'")
    assert details, "the audit log has them, too"


def test_a_replay_from_offset_0_changes_no_canary(filled, settings):
    before = filled.checksum()
    filled.query("UPDATE sink_offsets SET next_offset = 0")
    with running(settings):
        wait_until(
            lambda: not filled.value("SELECT COUNT(*) FROM sink_offsets WHERE next_offset < counted_offset"),
            timeout=60,
            what="everything is read again",
        )
    assert filled.checksum() == before


def test_an_older_canary_of_another_partition_changes_nothing_and_a_newer_one_does(filled, settings, stream):
    with running(settings):
        with stream.transaction():
            stream.write(Artefact.SILVER, canary(4, "collector-c", raw_partition=1))
        filled.wait_for(stream.written)
        assert sent_last(filled) == ("collector-b", 5)
        with stream.transaction():
            stream.write(Artefact.SILVER, canary(6, "collector-c", raw_partition=1))
        filled.wait_for(stream.written)
        assert sent_last(filled) == ("collector-c", 6)


def test_the_age_of_the_newest_canary_and_the_latency_of_events_are_metrics(settings, stream, gold):
    before = REGISTRY.get_sample_value("holded_sink_end_to_end_seconds_count") or 0
    now = time.time_ns() // 1000
    with stream.transaction():
        stream.write(Artefact.SILVER, silver(1, received_at=now))
        stream.write(Artefact.SILVER, canary(0, received_at=now))
    with running(settings):
        gold.wait_for(stream.written)
        wait_until(
            lambda: (
                abs((REGISTRY.get_sample_value("holded_sink_canary_sent_timestamp_seconds") or 0) - now / 1e6) < 0.01
            ),
            timeout=30,
            what="the gauge has the newest canary",
        )
    assert (REGISTRY.get_sample_value("holded_sink_canary_latency_seconds") or 0) > 0
    assert REGISTRY.get_sample_value("holded_sink_end_to_end_seconds_count") == before + 1, "events alone"
