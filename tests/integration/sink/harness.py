"""What the sink's integration tests share: a stand-in for the worker, sinks in threads and processes, views of gold."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

import pymysql
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from holded_contracts.canary import CANARY_TYPE, canary_source
from holded_contracts.io.probes import Heartbeat
from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import MySQLSettings, SinkSettings, render_env
from holded_contracts.topics import Artefact
from holded_contracts.wire import decimal_to_bytes, encode, frame, parsed_schema
from holded_sink.main import build_sink
from holded_sink.service import Sink
from tests.support.waiting import wait_until

DAY = 86_400_000_000
NOON = 1_795_435_200_000_000
"""2026-11-23 12:00 UTC in microseconds."""


def event_id(number: int) -> bytes:
    return hashlib.blake2b(f"event {number}".encode(), digest_size=16).digest()


def silver(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": event_id(number),
        "type": f"Holded\\Wallet\\Domain\\Transaction\\Events\\Wallet{number % 3}Event",
        "domain": "Wallet",
        "entity": "Transaction",
        "action": "created",
        "account_id": None if number % 7 == 0 else f"company-{number % 5}",
        "user_id": f"user-{number % 11}",
        "target_subscription": "Wallet",
        "business_context": ("financial_operations", "other")[number % 2],
        "quality_score": (number % 100) / 100,
        "amount": None if number % 4 == 0 else decimal_to_bytes(Decimal(number) / 100),
        "currency": "EUR",
        "occurred_at": NOON + number * 977_000_000 % (3 * DAY),
        "received_at": NOON,
        "processed_at": NOON,
        "source": "test",
        "raw_partition": number % 3,
        "raw_offset": number,
        "pipeline_version": "test",
        "data": json.dumps({"id": f"tx-{number}", "text": "quote \" ' \\ <b> 😀", "lines": [1, 2.5, None]}),
        "metadata": json.dumps({"quality": {"completeness": 1}}),
    } | changes


def canary(number: int, pod: str = "collector-0", **changes: Any) -> dict[str, Any]:
    marks = {"type": CANARY_TYPE, "source": canary_source(pod), "account_id": None, "amount": None}
    return silver(2_000_000 + number, **marks | {"received_at": NOON + number * 1_000_000} | changes)


def letter(number: int | None, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": None if number is None else event_id(number),
        "reason": "invalid_json",
        "stage": "worker",
        "detail": "data: not JSON",
        "topic": "raw",
        "partition": 0,
        "offset": number or 0,
        "schema_id": 1,
        "payload_kind": "event",
        "payload": b'{"broken": \xff\x00',
        "type": None,
        "account_id": None,
        "source": "test",
        "received_at": NOON,
        "failed_at": NOON,
        "pipeline_version": "test",
    } | changes


def increment(minute: int, account_id: str | None, count: int, amount: Decimal) -> dict[str, Any]:
    return {
        "window_start": NOON + minute * 60_000_000,
        "account_id": account_id,
        "business_context": "other",
        "type": "T",
        "count": count,
        "amount_sum": decimal_to_bytes(amount),
        "quality_sum": decimal_to_bytes(Decimal(count)),
        "processed_at": NOON,
        "pipeline_version": "test",
    }


def entry(
    partition: int, first: int, last: int, *, silver_count: int, dead: int = 0, duplicates: int = 0
) -> dict[str, Any]:
    return {
        "topic": "raw",
        "topic_id": "raw-topic-id",
        "partition": partition,
        "first_offset": first,
        "last_offset": last,
        "records": last - first + 1,
        "silver": silver_count,
        "dead_letters": dead,
        "duplicates": duplicates,
        "committed_at": NOON,
        "worker": "worker-0",
        "pipeline_version": "test",
    }


class Stream:
    """Writes to the sink's inputs as a worker does: in transactions, whose markers take up offsets."""

    def __init__(self, settings: SinkSettings) -> None:
        self._topics = settings.topics
        self._kafka = settings.kafka.client_config()
        registry = RegistryReader(settings.schema_registry)
        self._headers = {
            artefact: frame(registry.schema_id(getattr(settings.topics, artefact), artefact)) for artefact in Artefact
        }
        registry.close()
        self._producer = Producer(
            {**settings.kafka.client_config(), "transactional.id": f"stream.{settings.pipeline.name}"}
        )
        self._producer.init_transactions(30)
        self.written = 0
        """Records in committed transactions."""

    def grow(self, artefact: Artefact, partitions: int) -> None:
        """Give a topic more partitions; this producer knows them when the call returns."""
        topic = getattr(self._topics, artefact)
        admin = AdminClient({**self._kafka})
        for grown in admin.create_partitions([NewPartitions(topic, partitions)]).values():
            grown.result(30)
        wait_until(lambda: len(self._producer.list_topics(topic, timeout=5).topics[topic].partitions) == partitions)

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[None]:
        before = self.written
        self._producer.begin_transaction()
        yield
        if commit:
            self._producer.commit_transaction(30)
        else:
            self._producer.flush(30)
            self._producer.abort_transaction(30)
            self.written = before

    def write(self, artefact: Artefact, fields: dict[str, Any], partition: int | None = None) -> None:
        value = encode(self._headers[artefact], parsed_schema(artefact), fields)
        where = fields.get("raw_partition", fields.get("partition", 0)) if partition is None else partition
        self.write_bytes(artefact, value, fields.get("event_id"), where)

    def write_bytes(self, artefact: Artefact, value: bytes, key: bytes | None = None, partition: int = 0) -> None:
        self._producer.produce(getattr(self._topics, artefact), value=value, key=key, partition=partition)
        self._producer.poll(0)
        self.written += 1


@dataclass
class RunningSink:
    """A sink in a thread."""

    sink: Sink
    stop: threading.Event
    thread: threading.Thread
    errors: list[BaseException] = field(default_factory=list)


@contextmanager
def running(settings: SinkSettings) -> Iterator[RunningSink]:
    stop = threading.Event()
    with build_sink(settings, stop, Heartbeat()) as sink:
        state = RunningSink(sink, stop, threading.Thread(target=lambda: _run(state)))
        state.thread.start()
        try:
            yield state
        finally:
            stop.set()
            state.thread.join(60)
        assert not state.thread.is_alive()
        assert not state.errors


def _run(state: RunningSink) -> None:
    try:
        state.sink.run()
    except BaseException as error:
        state.errors.append(error)
        raise


def sink_environment(settings: SinkSettings) -> dict[str, str]:
    """Return the environment of a sink as a process of its own, as on Kubernetes."""
    return {
        **os.environ,
        **render_env(settings),
        "HOLDED_MYSQL__USERNAME": settings.mysql.username,
        "HOLDED_MYSQL__PASSWORD": settings.mysql.password.get_secret_value(),
        "HOLDED_PROBES_PORT": "0",
    }


@contextmanager
def process(settings: SinkSettings) -> Iterator[subprocess.Popen[bytes]]:
    """A sink as a process of its own."""
    started = subprocess.Popen([sys.executable, "-m", "holded_sink.main"], env=sink_environment(settings))
    try:
        yield started
    finally:
        started.kill()
        started.wait(30)


class GoldView:
    """Reads gold as an analyst would."""

    _COMPARED: ClassVar = {
        "events": "*",
        "event_ids": "*",
        "events_summary_hourly": "*",
        "events_summary_daily": "*",
        "events_analytics": "*",
        "events_dead_letter": "identity, event_id, reason, stage, topic, `partition`, `offset`, payload, replay_state",
        "worker_ledger": "*",
        "sink_offsets": "*",
        "ledger": "*",
        "canary": "*",
    }

    def __init__(self, settings: MySQLSettings) -> None:
        self._settings = settings

    def connect(self, cursor: type[pymysql.cursors.Cursor] = pymysql.cursors.Cursor) -> Any:
        """Open a connection as root."""
        return pymysql.connect(
            host=self._settings.host,
            port=self._settings.port,
            user=self._settings.username,
            password=self._settings.password.get_secret_value(),
            database=self._settings.database,
            autocommit=True,
            init_command="SET SESSION time_zone = '+00:00'",
            cursorclass=cursor,
        )

    def query(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        connection = self.connect()
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, arguments or None)
            return list(cursor.fetchall())

    def value(self, sql: str, *arguments: Any) -> Any:
        return self.query(sql, *arguments)[0][0]

    def ledger(self) -> tuple[int, ...]:
        return self.query("SELECT gold, dead_letters, duplicates, processed FROM ledger")[0]

    def handled(self) -> int:
        return int(self.value("SELECT COALESCE(SUM(inserted + duplicates + dead + canaries), 0) FROM sink_offsets"))

    def wait_for(self, records: int, timeout: float = 60) -> None:
        wait_until(lambda: self.handled() >= records, timeout=timeout, what=f"{records} records are handled")
        assert self.handled() == records

    def checksum(self) -> dict[str, str]:
        """Return a digest of every table, without audit and the times of storing."""
        sums = {}
        for table, columns in self._COMPARED.items():
            rows = sorted(repr(row) for row in self.query(f"SELECT {columns} FROM {table}"))
            sums[table] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
        return sums

    def assert_summaries_equal_group_by(self) -> None:
        """D11: the summaries are what a GROUP BY over events says."""
        columns = (
            "COALESCE(account_id, ''), business_context, type, COUNT(*), COALESCE(SUM(amount), 0), "
            "SUM(quality_score), MIN(quality_score), MAX(occurred_at)"
        )
        stored = "account_id, business_context, type, event_count, amount_sum, quality_sum, quality_min, last_event_at"
        hour = "DATE_FORMAT(occurred_at, '%Y-%m-%d %H:00:00')"
        for table, bucket, start in (
            ("events_summary_hourly", "DATE_FORMAT(hour_start, '%Y-%m-%d %H:%i:%s')", hour),
            ("events_summary_daily", "event_date", "event_date"),
        ):
            expected = self.query(f"SELECT {start}, {columns} FROM events GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4")
            found = self.query(f"SELECT {bucket}, {stored} FROM {table} ORDER BY 1, 2, 3, 4")
            assert found == expected
