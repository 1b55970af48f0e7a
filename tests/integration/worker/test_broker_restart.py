"""Kafka goes away in mid-load and comes back."""

from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from docker.models.containers import Container

from holded_contracts.settings import KafkaSettings
from holded_contracts.topics import Artefact
from tests.integration.worker.support import RawTopic, Topics, Workers, event, identity
from tests.support.containers import kafka_container
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[Container, str]]:
    """A Kafka of this module's own, because it is stopped."""
    with kafka_container() as started:
        yield started


@pytest.fixture(scope="module")
def kafka(broker: tuple[Container, str]) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=broker[1])


def test_a_broker_restart_under_load(
    broker: tuple[Container, str], workers: Workers, raw: RawTopic, state: Topics
) -> None:
    payloads = [event(number) for number in range(6000)]
    raw.send(payloads)
    worker = workers.start_ready()
    wait_until(lambda: worker.metric("holded_worker_records_total") >= 500, timeout=60, interval=0.01, what="under way")
    broker[0].stop(timeout=10)

    def waits_for_it() -> bool:
        ready = httpx.get(f"http://127.0.0.1:{worker.settings.probes_port}/ready", timeout=2)
        health = httpx.get(f"http://127.0.0.1:{worker.settings.probes_port}/health", timeout=2)
        return ready.status_code == 503 and health.status_code == 200

    wait_until(waits_for_it, timeout=60, what="alive but not ready")
    broker[0].start()
    # What is measured below is the worker's recovery, not the broker's start, which took a minute on a busy machine.
    wait_until(lambda: state.end_offsets(Artefact.RAW), timeout=180, what="the broker is back")

    def drained() -> bool:
        # A member that was too long without its coordinator may be refused for good: it exits and is started again.
        if workers.started[-1].process.poll() is not None:
            workers.start()
        return state.drained()

    wait_until(drained, timeout=120)
    assert {worker.process.poll() for worker in workers.started} <= {None, 1}
    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(payload) for payload in payloads)
    assert state.assert_ledger_balances()["dead_letters"] == 0
