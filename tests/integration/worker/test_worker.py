"""A worker process between real topics: what comes in comes out, exactly once."""

import json
import signal
from collections import Counter

import httpx
import pytest

from holded_contracts import wire
from holded_contracts.settings import SchemaRegistrySettings
from holded_contracts.topics import Artefact
from tests.integration.worker.support import PARTITIONS, RawTopic, Topics, Workers, event, identity
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


def test_every_kind_of_record_goes_where_it_belongs(workers: Workers, raw: RawTopic, state: Topics) -> None:
    valid = [event(number) for number in range(300)]
    invalid = [b'{"data": {}, "headers": {"type": "?"}}', b"no json", b'{"data": [], "headers": {}}']
    raw.send(valid + invalid + valid[:40])
    for poison in (None, b"", b"\x00\x00", wire.frame(123_456) + b"x", raw.header + b"cut"):
        raw.send_value(poison, partition=1)
    worker = workers.start_ready()
    wait_until(state.drained, timeout=60)

    silver = state.read(Artefact.SILVER)
    assert Counter(value["event_id"] for _, value in silver) == Counter(identity(payload) for payload in valid)
    for message, value in silver:
        assert message.partition() == value["raw_partition"]
        assert message.key() == value["event_id"]
        assert message.timestamp()[1] == value["processed_at"] // 1000
    reasons = Counter(value["reason"] for value in state.values(Artefact.DEAD_LETTER))
    assert reasons == {"invalid_type": 1, "invalid_json": 1, "invalid_envelope": 1, "unreadable_record": 5}
    assert state.assert_ledger_balances() == {"records": 348, "silver": 300, "dead_letters": 8, "duplicates": 40}
    increments = state.values(Artefact.ANALYTICS)
    total = sum(wire.decimal_from_bytes(one["amount_sum"]) for one in increments)
    assert total == sum(range(300))
    topic_ids = {value["topic_id"] for value in state.values(Artefact.LEDGER)}
    assert len(topic_ids) == 1

    assert worker.metric("holded_worker_records_total") == 348
    assert worker.metric("holded_worker_silver_total") == 300
    assert worker.metric('holded_worker_dead_letters_total{reason="unreadable_record"}') == 5
    assert worker.metric("holded_worker_duplicates_total") == 40
    assert worker.stop() == 0


def test_duplicates_are_known_after_a_restart(workers: Workers, raw: RawTopic, state: Topics) -> None:
    first = workers.start_ready()
    raw.send([event(number) for number in range(100)])
    wait_until(state.drained, timeout=60)
    assert first.stop() == 0

    raw.send([event(number) for number in range(50, 150)])
    second = workers.start_ready()
    wait_until(state.drained, timeout=60)
    assert second.metric("holded_worker_duplicates_total") == 50
    assert state.assert_ledger_balances() == {"records": 200, "silver": 150, "dead_letters": 0, "duplicates": 50}


@pytest.mark.parametrize(("records_before", "end"), [(1, "kill"), (4000, "kill"), (1000, "stop")])
def test_an_end_under_load_loses_and_doubles_nothing(
    workers: Workers, raw: RawTopic, state: Topics, records_before: int, end: str
) -> None:
    payloads = [event(number) for number in range(8000)]
    raw.send(payloads)
    first = workers.start_ready()
    wait_until(
        lambda: first.metric("holded_worker_records_total") >= records_before,
        timeout=60,
        interval=0.01,
        what="under way",
    )
    if end == "stop":
        assert first.stop() == 0
    else:
        first.kill()
    # With read_committed Kafka would keep the answer back while the killed worker's transaction is open.
    assert sum(state.committed("read_uncommitted").values()) < len(payloads), "it ended in mid-load"

    workers.start_ready()
    wait_until(state.drained, timeout=90)
    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(payload) for payload in payloads)
    assert state.assert_ledger_balances()["records"] == len(payloads)


def test_partitions_move_to_a_second_worker_and_back(workers: Workers, raw: RawTopic, state: Topics) -> None:
    first = workers.start_ready("worker-0")
    raw.send([event(number) for number in range(2000)])
    second = workers.start_ready("worker-1")
    wait_until(lambda: second.metric("holded_worker_dedup_ids{") > 0, timeout=60, what="an index was read back")
    raw.send([event(number) for number in range(1000, 4000)])
    wait_until(state.drained, timeout=60)
    assert second.metric("holded_worker_records_total") > 0
    second.kill()
    raw.send([event(number) for number in range(3000, 6000)])
    wait_until(state.drained, timeout=90)  # after the session of the dead member has timed out

    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(event(number)) for number in range(6000))
    assert state.assert_ledger_balances() == {"records": 8000, "silver": 6000, "dead_letters": 0, "duplicates": 2000}
    assert first.process.poll() is None


def test_a_second_process_of_the_same_pod_fences_the_first(workers: Workers, raw: RawTopic, state: Topics) -> None:
    first = workers.start_ready("worker-0")
    raw.send([event(number) for number in range(100)])
    wait_until(state.drained, timeout=60)
    workers.start_ready("worker-0")
    raw.send([event(number) for number in range(100, 200)])
    assert first.process.wait(60) == 1
    wait_until(state.drained, timeout=60)
    assert state.assert_ledger_balances()["silver"] == 200


def test_a_frozen_worker_that_wakes_up_cannot_commit(workers: Workers, raw: RawTopic, state: Topics) -> None:
    payloads = [event(number) for number in range(8000)]
    raw.send(payloads)
    zombie = workers.start_ready("worker-0")
    wait_until(lambda: zombie.metric("holded_worker_records_total") >= 500, timeout=60, interval=0.01, what="under way")
    zombie.process.send_signal(signal.SIGSTOP)
    workers.start("worker-1")
    wait_until(state.drained, timeout=120)  # after session and open transaction have timed out
    zombie.process.send_signal(signal.SIGCONT)
    raw.send([event(number) for number in range(8000, 8500)])
    wait_until(state.drained, timeout=60)
    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(event(number)) for number in range(8500))
    assert state.assert_ledger_balances()["duplicates"] == 0


def test_an_unreachable_registry_makes_no_dead_letters(workers: Workers, raw: RawTopic, state: Topics) -> None:
    raw.send([event(1)])
    away = SchemaRegistrySettings(url="http://127.0.0.1:9/apis/ccompat/v7")
    worker = workers.start(schema_registry=away)

    def waits_for_it() -> bool:
        ready = httpx.get(f"http://127.0.0.1:{worker.settings.probes_port}/ready", timeout=2)
        health = httpx.get(f"http://127.0.0.1:{worker.settings.probes_port}/health", timeout=2)
        return ready.status_code == 503 and "127.0.0.1:9" in ready.text and health.status_code == 200

    wait_until(waits_for_it, timeout=60, what="not ready, with the address")
    assert state.values(Artefact.DEAD_LETTER) == []
    assert worker.stop() == 0
    workers.start_ready()
    wait_until(state.drained, timeout=60)
    assert state.assert_ledger_balances()["silver"] == 1


def test_more_workers_than_partitions_are_ready_too(workers: Workers) -> None:
    for number in range(4):
        workers.start(f"worker-{number}")
    for worker in workers.started:
        wait_until(worker.ready, timeout=90, what=f"{worker.settings.pod_name} is ready")


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted in its session"])
def test_new_partitions_are_read(workers: Workers, raw: RawTopic, state: Topics, *, restarted: bool) -> None:
    raw.send([event(number) for number in range(30)])
    first = workers.start_ready()
    wait_until(state.drained, timeout=60)
    if restarted:
        first.kill()
        workers.start_ready()
    state.grow(PARTITIONS + 2)
    # A producer of its own, which knows the new partitions at once.
    RawTopic(state.settings).send([event(number) for number in range(100, 400)])
    assert state.end_offsets(Artefact.RAW)[PARTITIONS + 1] > 0
    wait_until(state.drained, timeout=90)
    assert state.assert_ledger_balances()["silver"] == 330


def test_the_trace_context_of_a_record_stands_in_its_metadata(workers: Workers, raw: RawTopic, state: Topics) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    raw.send([event(1)], headers={"traceparent": trace.encode(), "other": b"\xff"})
    raw.send([event(2)], headers={"traceparent": b"\xff"})
    raw.send([event(3)])
    workers.start_ready()
    wait_until(state.drained, timeout=60)
    found = {
        value["event_id"]: json.loads(value["metadata"]).get("traceparent") for value in state.values(Artefact.SILVER)
    }
    assert found == {identity(event(1)): trace, identity(event(2)): None, identity(event(3)): None}
