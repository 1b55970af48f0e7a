# ruff: noqa: DTZ001 -- as in MySQL, whose DATETIME has no zone; all are UTC
import json
import random
import signal
import threading
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial

import pytest
from confluent_kafka import Producer

from holded_contracts.io.probes import Heartbeat
from holded_contracts.topics import Artefact
from holded_sink import housekeeping
from holded_sink.batch import Batch, Decoded, Position, Record, Source
from holded_sink.errors import FencedError
from holded_sink.io.connection import Database
from holded_sink.io.raw_topic import RawTopic
from holded_sink.io.repository import Gold
from holded_sink.main import build_sink
from holded_sink.metrics import LEDGER
from holded_sink.prepare import prepare
from tests.integration.sink.harness import (
    DAY,
    NOON,
    GoldView,
    canary,
    entry,
    event_id,
    increment,
    letter,
    process,
    running,
    silver,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def mixed(stream):
    with stream.transaction(commit=False):
        stream.write(Artefact.SILVER, silver(5000, account_id="never committed"))
    with stream.transaction():
        for number in range(300):
            stream.write(Artefact.SILVER, silver(number))
        for partition in range(3):
            stream.write(Artefact.LEDGER, entry(partition, 0, 99, silver_count=100))
    with stream.transaction():
        for number in range(10):
            stream.write(Artefact.SILVER, silver(number))
        for number in range(10, 20):
            stream.write(Artefact.SILVER, silver(number, occurred_at=NOON - 40 * DAY))
        for number in range(1000, 1010):
            stream.write(Artefact.DEAD_LETTER, letter(number))
        stream.write(Artefact.DEAD_LETTER, letter(None, offset=4711))
        stream.write(Artefact.DEAD_LETTER, letter(1003))
        stream.write_bytes(Artefact.SILVER, b"\x07garbage", key=event_id(2000), partition=1)
        for minute in (0, 0, 1):
            stream.write(Artefact.ANALYTICS, increment(minute, "company-1", 3, Decimal("10.25")))
        stream.write(Artefact.ANALYTICS, increment(0, None, 1, Decimal(-1)))
        stream.write(Artefact.LEDGER, entry(0, 100, 135, silver_count=20, dead=12, duplicates=4))
    return stream


def assert_mixed_input_is_in_gold(gold) -> None:
    assert gold.value("SELECT COUNT(*) FROM events") == 300
    assert gold.value("SELECT COUNT(DISTINCT event_id) FROM events") == 300
    assert gold.value("SELECT COUNT(*) FROM events WHERE account_id LIKE 'never%%'") == 0
    assert gold.value("SELECT COUNT(*) FROM events_dead_letter") == 12
    assert gold.value("SELECT COUNT(*) FROM event_ids") == 312
    # 20 refused silver duplicates, one refused dead letter and the worker's own 4; one silver record was unreadable.
    assert gold.ledger() == (300, 12, 25, 336)
    assert gold.query(
        "SELECT window_start, account_id, event_count, amount_sum FROM events_analytics ORDER BY window_start, account_id"
    ) == [
        (gold.value("SELECT TIMESTAMP('2026-11-23 12:00:00')"), "", 1, Decimal("-1.0000")),
        (gold.value("SELECT TIMESTAMP('2026-11-23 12:00:00')"), "company-1", 6, Decimal("20.5000")),
        (gold.value("SELECT TIMESTAMP('2026-11-23 12:01:00')"), "company-1", 3, Decimal("10.2500")),
    ]
    assert gold.query("SELECT `partition`, next_offset, records FROM worker_ledger ORDER BY 1") == [
        (0, 136, 136),
        (1, 100, 100),
        (2, 100, 100),
    ]
    gold.assert_summaries_equal_group_by()


def test_mixed_input_lands_exactly_once_and_the_ledger_adds_up(settings, mixed, gold):
    with running(settings) as state:
        gold.wait_for(mixed.written)
        wait_until(lambda: state.sink.not_ready() is None, what="the sink is ready")

    assert_mixed_input_is_in_gold(gold)
    stored = gold.query("SELECT event_id, data, amount, quality_score FROM events_view WHERE raw_offset = 103")
    (text_id, data, amount, quality) = stored[0]
    assert text_id.replace("-", "") == event_id(103).hex()
    assert json.loads(data) == json.loads(silver(103)["data"])
    assert (amount, quality) == (Decimal("1.0300"), Decimal("0.0300"))
    (reason, stage, payload, text_id) = gold.query(
        "SELECT d.reason, d.stage, d.payload, v.event_id FROM events_dead_letter d JOIN events_dead_letter_view v "
        "USING (id) WHERE d.stage = 'sink'"
    )[0]
    assert (reason, stage, payload) == ("unreadable_record", "sink", b"\x07garbage")
    assert text_id.replace("-", "") == event_id(2000).hex()
    assert gold.value("SELECT COUNT(*) FROM audit_log WHERE action = 'batch'") > 0


def test_a_second_sink_that_starts_afresh_changes_nothing(settings, settings_of, mixed, gold):
    with running(settings):
        gold.wait_for(mixed.written)
    before = gold.checksum()

    renamed = settings.pipeline.model_copy(update={"name": f"{settings.pipeline.name}-again"})
    with running(settings_of("sink-9", pipeline=renamed)):
        with mixed.transaction():
            mixed.write(Artefact.SILVER, silver(1))
        gold.wait_for(mixed.written)

    after = gold.checksum()
    changed = {table for table in before if before[table] != after[table]}
    assert changed == {"sink_offsets", "ledger"}  # by the one duplicate that shows it was reading
    assert gold.ledger() == (300, 12, 26, 336)


def test_a_replay_from_offset_0_changes_nothing(settings, mixed, gold):
    with running(settings):
        gold.wait_for(mixed.written)
    before = gold.checksum()
    gold.query("UPDATE sink_offsets SET next_offset = 0")

    with running(settings):
        wait_until(
            lambda: gold.value("SELECT COUNT(*) FROM sink_offsets WHERE next_offset < counted_offset") == 0,
            what="the replay has caught up",
        )

    assert gold.checksum() == before
    assert_mixed_input_is_in_gold(gold)


def reached(gold: GoldView, records: int) -> bool:
    return gold.handled() >= records


def test_a_sink_killed_at_random_loses_and_repeats_nothing(settings_of, stream, gold):
    settings = settings_of(max_rows=100)
    choice = random.Random(7)
    done = threading.Event()

    def produce() -> None:
        for start in range(0, 6000, 100):
            with stream.transaction():
                for number in range(start, start + 100):
                    stream.write(Artefact.SILVER, silver(number))
                stream.write(Artefact.ANALYTICS, increment(0, "a", 100, Decimal(1)), partition=start // 100 % 3)
                stream.write(Artefact.LEDGER, entry(0, start, start + 99, silver_count=100))
        done.set()

    producing = threading.Thread(target=produce)
    producing.start()
    for kill in range(4):
        with process(settings) as sink:
            target = gold.handled() + choice.randint(100, 900)
            wait_until(partial(reached, gold, target), interval=0.01, what=f"progress before kill {kill}")
            sink.send_signal(signal.SIGKILL)
            sink.wait(10)
    producing.join()
    with process(settings) as sink:
        gold.wait_for(6120, timeout=90)
        sink.send_signal(signal.SIGTERM)
        assert sink.wait(30) == 0

    assert done.is_set()
    assert gold.value("SELECT COUNT(DISTINCT event_id) FROM events") == 6000
    assert gold.ledger() == (6000, 0, 0, 6000)
    assert gold.query("SELECT SUM(event_count), SUM(amount_sum) FROM events_analytics") == [(6000, Decimal("60.0000"))]
    gold.assert_summaries_equal_group_by()


def test_an_event_is_in_gold_or_in_the_dead_letters_never_in_both(settings, stream, gold):
    with running(settings):
        with stream.transaction():
            stream.write(Artefact.SILVER, silver(1))
            stream.write(Artefact.DEAD_LETTER, letter(2))
        gold.wait_for(2)
        with stream.transaction():
            stream.write(Artefact.SILVER, silver(2))
            stream.write(Artefact.DEAD_LETTER, letter(1))
        gold.wait_for(4)

    assert gold.query("SELECT event_id FROM events") == [(event_id(1),)]
    assert gold.query("SELECT event_id FROM events_dead_letter") == [(event_id(2),)]
    assert gold.ledger() == (1, 1, 2, 0)


SOURCE = Source("topic-id", 0, "silver", Artefact.SILVER)


def batch_of(numbers, first: int, expected: Position):
    items = [Decoded(Record(SOURCE, first + n, None, b""), silver(number)) for n, number in enumerate(numbers)]
    now = datetime(2026, 11, 23)
    return prepare(Batch(items, {SOURCE: expected}), refused={}, now=now, pipeline_version="test")


def test_a_late_sink_is_fenced_and_writes_nothing(settings, gold):
    late, other = (Gold(Database(settings.mysql), actor=name) for name in ("late", "other"))
    start = late.positions([SOURCE])[SOURCE]
    assert start == other.positions([SOURCE])[SOURCE] == Position(0, 0)
    other.write(batch_of(range(10), 0, start))
    before = gold.checksum()

    with pytest.raises(FencedError):
        late.write(batch_of(range(5, 20), 5, start))

    assert gold.checksum() == before
    at = late.positions([SOURCE])[SOURCE]
    assert at == Position(10, 10)
    outcome = late.write(batch_of(range(10, 20), 10, at))
    assert len(outcome.events) == 10


def test_a_commit_whose_answer_was_lost_is_not_repeated(settings, gold):
    database = Database(settings.mysql)
    sink = Gold(database, actor="sink")
    start = sink.positions([SOURCE])[SOURCE]
    prepared = batch_of(range(10), 0, start)
    sink.write(prepared)
    database.close()

    with pytest.raises(FencedError):
        sink.write(prepared)

    assert gold.ledger()[0] == 10


def test_offsets_of_a_topic_made_again_start_afresh(settings):
    gold = Gold(Database(settings.mysql), actor="sink")
    gold.write(batch_of(range(10), 0, gold.positions([SOURCE])[SOURCE]))
    again = replace(SOURCE, topic_id="another-id")

    assert gold.positions([SOURCE, again]) == {SOURCE: Position(10, 10), again: Position(0, 0)}


def test_two_sinks_share_the_partitions_and_store_everything_once(settings_of, stream, gold):
    with running(settings_of("sink-0")) as one, running(settings_of("sink-1")) as two:
        wait_until(
            lambda: one.sink._source.positions and two.sink._source.positions, timeout=60, what="both have partitions"
        )
        with stream.transaction():
            for number in range(300):
                stream.write(Artefact.SILVER, silver(number))
        gold.wait_for(300)
        actors = gold.query("SELECT DISTINCT actor FROM audit_log WHERE action = 'batch'")

    assert len(actors) == 2
    assert gold.ledger()[0] == 300
    gold.assert_summaries_equal_group_by()


def test_building_a_sink_writes_nothing(settings, gold):
    with build_sink(settings, threading.Event(), Heartbeat()) as sink:
        assert sink.not_ready() == "waiting for the consumer group"
    assert gold.handled() == 0


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted in its session"])
def test_new_partitions_are_read(settings, stream, gold, restarted):
    with stream.transaction():
        stream.write(Artefact.SILVER, silver(1))
    with process(settings) as first:
        gold.wait_for(1)
        first.kill()
        first.wait(30)
        if not restarted:
            settings = settings.model_copy(update={"pod_name": "sink-1"})
        with process(settings):
            with stream.transaction():
                stream.write(Artefact.SILVER, silver(2))
            gold.wait_for(2, timeout=90)
            stream.grow(Artefact.SILVER, 5)
            with stream.transaction():
                stream.write(Artefact.SILVER, silver(3, raw_partition=4))
            gold.wait_for(3, timeout=90)
    assert gold.value("SELECT COUNT(*) FROM events WHERE raw_partition = 4") == 1


def test_the_ledger_is_a_metric_and_an_audit_row_and_balances(settings, stream, gold, monkeypatch):
    monkeypatch.setattr(housekeeping, "AUDIT_SECONDS", 1.0)
    raw = Producer({**settings.kafka.client_config()})
    for number in range(20):
        raw.produce(settings.topics.raw, b"accepted", partition=number % 3)
    assert raw.flush(30) == 0
    with stream.transaction():
        for number in range(12):
            stream.write(Artefact.SILVER, silver(number))
        stream.write(Artefact.DEAD_LETTER, letter(100))
        topic_id = RawTopic(settings).topic_id()
        stream.write(Artefact.LEDGER, entry(0, 0, 14, silver_count=12, dead=1, duplicates=2) | {"topic_id": topic_id})
        former = entry(0, 0, 2, silver_count=1, duplicates=2)  # of a raw topic that is no more
        stream.write(Artefact.LEDGER, former)
        stream.write(Artefact.SILVER, canary(0))  # one of the 20

    def audited():
        lines = gold.query("SELECT detail FROM audit_log WHERE action = 'ledger' ORDER BY id DESC")
        return lines and json.loads(lines[0][0])

    with running(settings):
        expected = {"accepted": 22, "gold": 12, "dead_letters": 1, "duplicates": 4, "in_flight": 5}
        wait_until(lambda: audited() == expected, timeout=60, what="the audit log has the ledger")
    measured = {sample.labels["state"]: sample.value for metric in LEDGER.collect() for sample in metric.samples}
    assert {state: measured[state] for state in expected} == expected
