"""What the sink's benchmark stores: silver records as a worker writes them, and rows that fill the tables beforehand."""

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any

import pymysql
from confluent_kafka import Producer
from pymysql.cursors import Cursor

from holded_cli.send.events import Generator
from holded_cli.send.mixture import Shares
from holded_contracts.settings import KafkaSettings, MySQLSettings
from holded_contracts.topics import Artefact
from holded_contracts.wire import encode, frame, parsed_schema
from holded_worker.domain import process
from holded_worker.domain.records import RawEvent
from tests.support.waiting import wait_until

ACCOUNTS = 100
"""Customers; the busiest of them has about a fifth of all events (Zipf's law)."""
DAYS = 30
"""Rows that fill the tables are spread evenly over so many days before today."""
_TEMPLATES = 660
_LATE_EVERY = 50
_FILL_CHUNK = 250_000


class Load:
    """Makes silver records of today that never repeat."""

    def __init__(self, seed: int = 1, *, accounts: int = ACCOUNTS) -> None:
        """`accounts` is the number of customers: the more, the more buckets of the summaries a batch touches."""
        self._random = Random(seed)  # noqa: S311 -- reproducible load, nothing secret
        self._made = 0
        self._templates = _templates()
        self._accounts = range(accounts)
        self._weights = [1 / (rank + 1) for rank in self._accounts]

    def silver(self, number: int) -> Iterator[dict[str, Any]]:
        """Return an iterator over so many records; their times are the last seconds, 1 in 50 is up to 3 days late."""
        accounts = self._random.choices(self._accounts, self._weights, k=number)
        now = time.time_ns() // 1000
        for account in accounts:
            self._made += 1
            late = self._random.randrange(3 * 86_400_000_000) if self._made % _LATE_EVERY == 0 else 0
            yield self._templates[self._made % len(self._templates)] | {
                "event_id": hashlib.blake2b(b"%d" % self._made, digest_size=16).digest(),
                "account_id": f"company-{account}",
                "raw_offset": self._made,
                "occurred_at": now - late - self._random.randrange(10_000_000),
                "received_at": now,
                "processed_at": now,
            }


def produce(
    kafka: KafkaSettings, topic: str, schema_id: int, records: Iterator[dict[str, Any]], partitions: int
) -> None:
    """Write records to the silver topic, in turn over its partitions."""
    producer = Producer({**kafka.client_config(), "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    header, schema = frame(schema_id), parsed_schema(Artefact.SILVER)
    for number, record in enumerate(records):
        producer.produce(topic, encode(header, schema, record), record["event_id"], partition=number % partitions)
        if number % 1000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("Kafka did not take all records of the benchmark")


def make_days(cursor: Cursor) -> None:
    """Give every day that will have rows its partition."""
    today = datetime.now(UTC).date()
    cursor.execute("CALL events_add_partitions(%s, %s)", (today - timedelta(days=DAYS - 1), today + timedelta(days=8)))


def fill(server: MySQLSettings, rows: int) -> None:
    """Bring events and event_ids to `rows` rows, made by the server itself from one of the load's own events."""
    connection = pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.username,
        password=server.password.get_secret_value(),
        database=server.database,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_log_bin = 0, cte_max_recursion_depth = 1000000")
        cursor.execute("SELECT COUNT(*) FROM event_ids")
        (there,) = cursor.fetchone() or (0,)
        # Day by day: the indexes of one partition stay in memory, those of thirty do not.
        ends = [there + (rows - there) * day // DAYS for day in range(DAYS + 1)]
        for day, (first, last) in enumerate(pairwise(ends), start=1):
            for start in range(first, last, _FILL_CHUNK):
                _fill_chunk(cursor, day, start, min(last, start + _FILL_CHUNK))
        _settle(cursor)


def _fill_chunk(cursor: Cursor, day: int, start: int, end: int) -> None:
    sample = sorted(_templates(), key=lambda record: len(record["data"]))[_TEMPLATES // 2]
    cursor.execute(
        "CREATE TEMPORARY TABLE chunk (event_id BINARY(16) PRIMARY KEY, day INT, n BIGINT)"
        " WITH RECURSIVE numbers (n) AS (SELECT %s UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < %s)"
        " SELECT UNHEX(LEFT(SHA2(CONCAT('fill ', n), 256), 32)) AS event_id, %s AS day, n FROM numbers",
        (start, end, day),
    )
    moment = "UTC_DATE() - INTERVAL day DAY + INTERVAL (n * 7919) % 86400 SECOND"
    cursor.execute(
        "INSERT INTO events (event_id, event_date, type, domain, entity, action, account_id, user_id,"  # noqa: S608
        " target_subscription, business_context, quality_score, amount, currency, occurred_at, received_at,"
        " processed_at, source, raw_partition, raw_offset, pipeline_version, data, metadata)"
        " SELECT event_id, UTC_DATE() - INTERVAL day DAY, CONCAT(%s, n %% 33), %s, %s, %s,"
        f" CONCAT('company-', FLOOR(POW({ACCOUNTS}, RAND(n)))), CONCAT('user-', n %% 2000), %s,"
        f" ELT(1 + n %% 11, {', '.join(f"'{name}'" for name in CONTEXTS)}),"
        f" 0.5 + (n %% 50) / 100, (n %% 100000) / 100, 'EUR', {moment.replace('%', '%%')},"
        f" {moment.replace('%', '%%')}, {moment.replace('%', '%%')}, NULL, 0, n, 'fill',"
        " JSON_SET(CAST(%s AS JSON), '$.id', HEX(event_id), '$.n', n), %s FROM chunk ORDER BY day, event_id",
        (
            sample["type"],
            sample["domain"],
            sample["entity"],
            sample["action"],
            sample["target_subscription"],
            sample["data"],
            sample["metadata"],
        ),
    )
    cursor.execute("INSERT INTO event_ids SELECT event_id, UTC_DATE() - INTERVAL day DAY FROM chunk ORDER BY event_id")
    cursor.execute("DROP TEMPORARY TABLE chunk")


CONTEXTS = (
    "financial_operations",
    "crm",
    "sales_management",
    "human_resources",
    "inventory",
    "product_management",
    "project_management",
    "accounting",
    "team_management",
    "user_activity",
    "purchasing",
)


def _settle(cursor: Cursor) -> None:
    """Wait until the server has written what the filling left in memory: it is no part of what is measured."""
    cursor.execute("SELECT @@innodb_max_dirty_pages_pct")
    (usual,) = cursor.fetchone() or (90,)
    cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")

    def written() -> bool:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
        (_, dirty) = cursor.fetchone() or ("", "0")
        return int(dirty) < 500  # noqa: PLR2004 -- 8 MiB

    wait_until(written, timeout=300, interval=0.5, what="filled pages are on disk")
    cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = %s", (usual,))


@cache
def _templates() -> list[dict[str, Any]]:
    rules = process.Rules(version="bench")
    now = time.time_ns() // 1000
    made = []
    for outgoing in Generator(1).events(Shares(), _TEMPLATES):
        event = RawEvent("raw", 0, 0, 1, bytes(16), now, "", None, outgoing.payload)
        opened = process.open_event(event, rules)
        if not isinstance(opened, process.Opened):
            raise TypeError(f"a sample event is refused: {opened}")
        scored = process.score_event(process.classify_event(process.enrich_event(opened), rules), rules)
        silver = process.to_silver(scored, rules, now)
        if isinstance(silver, dict):
            made.append(silver)
    return made
