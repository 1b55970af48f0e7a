"""The world around a worker changes while it works: members join, the registry goes away, schemas evolve."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from holded_contracts import wire
from holded_contracts.settings import SchemaRegistrySettings, WorkerSettings
from holded_contracts.topics import Artefact, subject, worker_group
from holded_worker.embedded import EmbeddedRunner
from tests.integration.worker.support import RECEIVED_AT, TYPE, RawTopic, Topics, event, identity, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


class Gate(ThreadingHTTPServer):
    """Stands before the registry; while it is shut, connections end without an answer."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.open = threading.Event()
        self.refused = 0


class _Handler(BaseHTTPRequestHandler):
    server: Gate

    def do_GET(self) -> None:  # noqa: N802 -- the name http.server asks for
        self._forward(None)

    def do_POST(self) -> None:  # noqa: N802
        self._forward(self.rfile.read(int(self.headers["Content-Length"])))

    def _forward(self, body: bytes | None) -> None:
        if not self.server.open.is_set():
            self.server.refused += 1
            return
        kind = {"Content-Type": "application/json"}
        answer = httpx.request(self.command, f"{self.server.target}{self.path}", content=body, headers=kind, timeout=10)
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def gate(schema_registry: SchemaRegistrySettings) -> Iterator[Gate]:
    server = Gate(schema_registry.url.removesuffix("/"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def behind_the_gate(settings: WorkerSettings, gate: Gate) -> WorkerSettings:
    registry = SchemaRegistrySettings(url=f"http://127.0.0.1:{gate.server_port}")
    return settings.model_copy(update={"schema_registry": registry})


class Evolved:
    """Raw records of a later version of the schema, which has one more field, with a default."""

    def __init__(self, settings: WorkerSettings) -> None:
        schema = json.loads(wire.schema_text(Artefact.RAW))
        schema["fields"].insert(1, {"name": "region", "type": "string", "default": "eu"})
        text = json.dumps(schema)
        answer = httpx.post(
            f"{settings.schema_registry.url}/subjects/{subject(settings.topics.raw)}/versions",
            json={"schema": text},
            timeout=30,
        )
        answer.raise_for_status()
        self._header = wire.frame(answer.json()["id"])
        self._schema = wire.parse_schema(text)

    def value(self, payload: bytes) -> bytes:
        fields = {
            "event_id": identity(payload),
            "region": "us",
            "received_at": RECEIVED_AT,
            "type": TYPE,
            "source": None,
        }
        return wire.encode(self._header, self._schema, {**fields, "payload": payload})


def test_a_registry_away_at_the_start_is_waited_for(
    behind_the_gate: WorkerSettings, gate: Gate, raw: RawTopic, state: Topics
) -> None:
    raw.send([event(number) for number in range(50)])
    with running(behind_the_gate):
        wait_until(lambda: gate.refused >= 2, timeout=60, what="the worker has asked twice")
        assert sum(state.committed().values()) == 0
        gate.open.set()
        wait_until(state.drained, timeout=60)
    assert state.assert_ledger_balances() == {"records": 50, "silver": 50, "dead_letters": 0, "duplicates": 0}


def test_an_evolved_schema_that_comes_while_the_registry_is_away_is_waited_for(
    behind_the_gate: WorkerSettings, gate: Gate, raw: RawTopic, state: Topics
) -> None:
    """Both versions go to silver with the same fields, mixed in one partition; nothing becomes a dead letter."""
    gate.open.set()
    old, new = [event(number) for number in range(50)], [event(number) for number in range(50, 100)]
    raw.send(old)
    evolved = Evolved(state.settings)
    with running(behind_the_gate) as metrics:
        wait_until(state.drained, timeout=60)
        gate.open.clear()
        before = gate.refused
        for payload in new:
            raw.send_value(evolved.value(payload))
        raw.send([event(number) for number in range(100, 120)])
        wait_until(lambda: gate.refused > before, timeout=60, what="the worker has asked for the new schema")
        wait_until(
            lambda: metrics.get_sample_value("holded_worker_transaction_errors_total", {"kind": "transient"}),
            timeout=60,
            what="the batch was taken back",
        )
        assert state.values(Artefact.DEAD_LETTER) == []
        gate.open.set()
        wait_until(state.drained, timeout=60)
    assert state.assert_ledger_balances() == {"records": 120, "silver": 120, "dead_letters": 0, "duplicates": 0}
    silver = {record["event_id"]: record for record in state.values(Artefact.SILVER)}
    assert set(silver) == {identity(event(number)) for number in range(120)}
    varying = {"event_id", "raw_partition", "raw_offset", "processed_at", "data", "metadata", "amount", "account_id"}
    fixed = {repr({name: value for name, value in one.items() if name not in varying}) for one in silver.values()}
    assert len(fixed) == 1, "the version of the schema leaves no trace"


def test_a_second_worker_joins_in_the_middle_of_a_batch(
    settings: WorkerSettings, raw: RawTopic, state: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker holds a batch of all partitions while the group waits for it to give some up."""
    held, go_on = threading.Event(), threading.Event()
    real = EmbeddedRunner.run

    def run(self: EmbeddedRunner, *args: Any) -> Any:
        result = real(self, *args)
        if not held.is_set():
            held.set()
            assert go_on.wait(60)
        return result

    monkeypatch.setattr(EmbeddedRunner, "run", run)
    payloads = [event(number) for number in range(1500)]
    raw.send([*payloads, *payloads[::3]])
    group = worker_group(settings.pipeline.namespace, settings.pipeline.name)
    admin = AdminClient({**settings.kafka.client_config()})

    def described() -> Any:
        return admin.describe_consumer_groups([group])[group].result(10)

    def waits_for_the_first() -> bool:
        return bool(described().state == ConsumerGroupState.PREPARING_REBALANCING)

    def shared() -> bool:
        found = described()
        shares = [len(member.assignment.topic_partitions) for member in found.members]
        return bool(found.state == ConsumerGroupState.STABLE and sorted(shares) == [1, 2])

    first, second = (settings.model_copy(update={"pod_name": pod}) for pod in ("worker-0", "worker-1"))
    with running(first) as metrics_of_first:
        assert held.wait(60)
        with running(second) as metrics_of_second:
            wait_until(waits_for_the_first, what="the group waits for the first worker")
            go_on.set()
            wait_until(state.drained, timeout=60)
            wait_until(shared, what="both have partitions")
            raw.send([event(number) for number in range(1200, 2400)])
            wait_until(state.drained, timeout=60)
            shares = [
                one.get_sample_value("holded_worker_records_total") or 0
                for one in (metrics_of_first, metrics_of_second)
            ]
    assert all(shares), f"both have worked: {shares}"
    assert sum(shares) == 3200, "each record was counted by one of them"
    found = Counter(record["event_id"] for record in state.values(Artefact.SILVER))
    assert found == Counter(identity(event(number)) for number in range(2400))
    assert state.assert_ledger_balances() == {"records": 3200, "silver": 2400, "dead_letters": 0, "duplicates": 800}
