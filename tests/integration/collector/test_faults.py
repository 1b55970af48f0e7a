"""What the collector does while Kafka or the registry are away, and when it is told to stop."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Self

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from holded_contracts.settings import KafkaSettings, SchemaRegistrySettings, TopicNames
from tests.support.containers import free_port, kafka_container
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

Read = Callable[[KafkaSettings, str], list[tuple[int, bytes, bytes]]]


def body(number: int) -> bytes:
    return json.dumps([{"headers": {"type": "T"}, "data": {"number": number}}]).encode()


class Traffic:
    """Clients that post one event after the other and remember what they were told."""

    def __init__(self, url: str, clients: int = 4) -> None:
        self.confirmed: set[bytes] = set()
        self.statuses: list[int] = []
        self.lost_connections = 0
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(first,)) for first in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _run(self, first: int) -> None:
        number = first * 1_000_000
        with httpx.Client(timeout=30) as client:
            while not self._stop.is_set():
                number += 1
                try:
                    response = client.post(f"{self._url}/collect", content=body(number))
                except httpx.TransportError:
                    self.lost_connections += 1
                    self._stop.wait(0.01)
                    continue
                self.statuses.append(response.status_code)
                if response.status_code == 202:
                    self.confirmed.add(uuid.UUID(response.json()["results"][0]["event_id"]).bytes)
                else:
                    self._stop.wait(0.01)


def test_without_kafka_it_lives_says_where_it_looks_and_refuses_at_once(
    schema_registry: SchemaRegistrySettings, topics: TopicNames, start_collector: Callable[..., Any]
) -> None:
    nowhere = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    collector = start_collector(nowhere, schema_registry, topics, limits={"delivery_timeout_seconds": 2.0})
    wait_until(
        lambda: nowhere.bootstrap_servers in collector.get("/ready").json()["detail"], what="reason names the address"
    )
    assert collector.get("/ready").status_code == 503
    started = time.monotonic()
    response = collector.post(body(1))
    assert time.monotonic() - started < 1.0
    assert response.status_code == 503
    assert response.json()["error"] == "kafka_unavailable"
    assert int(response.headers["retry-after"]) >= 1
    assert collector.get("/health").status_code == 200
    assert collector.stop() == 0


def test_a_missing_topic_is_the_reason_for_not_being_ready_until_it_is_there(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
) -> None:
    admin = AdminClient(kafka.client_config())
    admin.delete_topics([topics.raw])[topics.raw].result(timeout=30)
    collector = start_collector(kafka, schema_registry, topics)
    wait_until(
        lambda: f"topic {topics.raw} does not exist" in collector.get("/ready").json()["detail"], what="topic is named"
    )
    assert collector.post(body(1)).status_code == 503
    admin.create_topics([NewTopic(topics.raw, 1, 1)])[topics.raw].result(timeout=30)
    collector.wait_ready()
    assert collector.post(body(1)).status_code == 202


def test_the_registry_may_come_late_and_go_away(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    forward_to: Callable[[str, int], Any],
) -> None:
    real = httpx.URL(schema_registry.url)
    assert real.port is not None
    door = forward_to(real.host, real.port)
    behind = SchemaRegistrySettings(url=str(real.copy_with(port=door.port)))
    collector = start_collector(kafka, behind, topics)
    wait_until(lambda: f":{door.port}" in collector.get("/ready").json()["detail"], what="registry is the reason")
    assert collector.post(body(1)).json()["error"] == "schema_id_unknown"
    door.open()
    collector.wait_ready()
    door.close()
    assert collector.post(body(2)).status_code == 202
    assert collector.get("/ready").status_code == 200


def test_a_broker_that_hangs_and_dies_costs_no_confirmed_event(
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_records: Read,
) -> None:
    with kafka_container() as (container, bootstrap):
        kafka = KafkaSettings(bootstrap_servers=bootstrap)
        admin = AdminClient(kafka.client_config())
        admin.create_topics([NewTopic(topics.raw, 3, 1)])[topics.raw].result(timeout=30)
        collector = start_collector(kafka, schema_registry, topics, limits={"delivery_timeout_seconds": 2.0})
        collector.wait_ready()
        with Traffic(collector.url) as traffic:
            wait_until(lambda: len(traffic.confirmed) > 20, what="events flow")
            container.pause()
            wait_until(lambda: 503 in traffic.statuses, what="a hanging broker is answered with 503")
            assert collector.get("/ready").status_code == 503
            container.unpause()
            before = len(traffic.confirmed)
            wait_until(lambda: len(traffic.confirmed) > before + 20, timeout=60, what="events flow after the pause")
            container.kill()
            wait_until(lambda: not collector.get("/ready").is_success, what="a dead broker is noticed")
            container.start()
            before = len(traffic.confirmed)
            wait_until(lambda: len(traffic.confirmed) > before + 20, timeout=90, what="events flow after the restart")
        assert set(traffic.statuses) == {202, 503}
        assert traffic.lost_connections == 0
        assert collector.get("/health").status_code == 200
        assert traffic.confirmed <= {key for _, key, _ in read_records(kafka, topics.raw)}


def test_sigterm_under_traffic_drains_and_exits_clean(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_records: Read,
) -> None:
    collector = start_collector(kafka, schema_registry, topics)
    collector.wait_ready()
    with Traffic(collector.url) as traffic:
        wait_until(lambda: len(traffic.confirmed) > 20, what="events flow")
        started = time.monotonic()
        collector.process.terminate()
        wait_until(
            lambda: "shutting down" in collector.get("/ready").json()["detail"], timeout=2, what="readiness is off"
        )
        before = len(traffic.confirmed)
        wait_until(lambda: len(traffic.confirmed) > before, timeout=2, what="it still serves while draining")
        assert collector.process.wait(timeout=15) == 0
        assert time.monotonic() - started < collector.settings.shutdown_grace_seconds
    assert set(traffic.statuses) == {202}
    assert traffic.confirmed <= {key for _, key, _ in read_records(kafka, topics.raw)}
    assert "Traceback" not in collector.log_file.read_text()
