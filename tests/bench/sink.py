"""The sink, everything on, against bare multi-row INSERT of the same kind of rows: `make bench-sink`.

Real MySQL with durable settings (each commit is on disk, binary log included) and a topic that is filled beforehand.
Bare means: PyMySQL, one connection with the sink's own session settings, rows prepared beforehand, one commit per
as many rows as the sink's batch; into the very table the sink writes to, so size, indexes and partitions are equal. It
has no event ids, summaries, offsets or audit, and reads no Kafka. Both are measured by turns.
"""

import argparse
import itertools
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import docker.models.containers
import pymysql
from matplotlib.figure import Figure
from pydantic import SecretStr
from rich.console import Console

from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import (
    KafkaSettings,
    MySQLSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    SinkBatch,
    SinkSettings,
    render_env,
)
from holded_contracts.topics import Artefact
from holded_sink.batch import Record, Source
from holded_sink.io import statements
from holded_sink.io.connection import Database
from holded_sink.rows import event_row
from tests.bench.report import Section, publish
from tests.bench.sink_load import ACCOUNTS, Load, fill, make_days, produce
from tests.bench.usage import CpuWatch
from tests.support.containers import kafka_container, mysql_container, registry_container
from tests.support.gold import rows
from tests.support.migrations import migrate
from tests.support.topics import create_topics
from tests.support.waiting import wait_until

MYSQL_FLAGS = (
    "--log-bin",
    "--sync-binlog=1",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=4G",
    "--innodb-redo-log-capacity=8G",
)
console = Console()


@dataclass(frozen=True)
class Rate:
    """What storing rows took."""

    rows: int
    seconds: float
    client_cpu: float
    server_cpu: float

    @property
    def per_second(self) -> float:
        """Rows a second by the clock."""
        return self.rows / self.seconds

    def cells(self) -> list[str]:
        """Return rate, then client and server CPU per row in microseconds."""
        micros = (value / self.rows * 1e6 for value in (self.client_cpu, self.server_cpu))
        return [f"{self.per_second:,.0f}", *(f"{value:.0f}" for value in micros)]


@dataclass
class Bench:
    """Servers that are up, and how much is measured."""

    kafka: KafkaSettings
    registry: SchemaRegistrySettings
    mysql: MySQLSettings
    mysqld: int
    """Process id of the database server."""
    batch: int
    rows: int
    load: Load

    def bare(self, *, plain: bool = False) -> Rate:
        """Insert rows without anything else; `plain`: with PyMySQL's default session instead of the sink's."""
        source = Source("bench", 0, "silver", Artefact.SILVER)
        values = [
            event_row(Record(source, number, None, None), fields)
            for number, fields in enumerate(self.load.silver(self.rows))
        ]
        batches = [
            [row.values for row in sorted(part, key=lambda row: (row.event_date, row.identity))]
            for part in itertools.batched(values, self.batch, strict=False)
        ]
        with _plain(self.mysql) if plain else _like_the_sink(self.mysql) as cursor, CpuWatch(self.mysqld) as server:
            own = CpuWatch(os.getpid())
            with own:
                began = time.time()
                for part in batches:
                    cursor.execute(statements.BEGIN)
                    cursor.executemany(statements.INSERT_EVENTS, part)
                    cursor.connection.commit()
                ended = time.time()
        return Rate(self.rows, ended - began, own.between(began, ended), server.between(began, ended))

    def sinks(self, number: int, rows_to_store: int) -> Rate:
        """Store a filled topic by so many sink processes; what counts is the time in which all of them store."""
        pipeline = PipelineSettings(name=f"bench-{secrets.token_hex(4)}", namespace="bench", version="bench")
        topics = create_topics(self.kafka, self.registry, pipeline.name, partitions=2)
        reader = RegistryReader(self.registry)
        schema_id = reader.schema_id(topics.silver, Artefact.SILVER)
        reader.close()
        produce(self.kafka, topics.silver, schema_id, self.load.silver(rows_to_store), partitions=2)
        settings = [
            SinkSettings(
                pipeline=pipeline,
                kafka=self.kafka,
                schema_registry=self.registry,
                topics=topics,
                mysql=self.mysql,
                pod_name=f"{pipeline.name}-sink-{index}",
                batch=SinkBatch(max_rows=self.batch),
                probes_port=0,
            )
            for index in range(number)
        ]
        with ExitStack() as stack:
            processes = [stack.enter_context(_process(one)) for one in settings]
            clients = [stack.enter_context(CpuWatch(process.pid)) for process in processes]
            server = stack.enter_context(CpuWatch(self.mysqld))
            wait_until(
                lambda: rows(self.mysql, _STORED, topics.silver)[0][0] == rows_to_store, timeout=300, what="all stored"
            )
        commits = [self._commits(one.pod_name) for one in settings]
        began = max(batches[0][0] for batches in commits)
        ended = min(batches[-1][0] for batches in commits)
        stored = sum(count for batches in commits for at, count in batches if began < at <= ended)
        client_cpu = sum(client.between(began, ended) for client in clients)
        return Rate(stored, ended - began, client_cpu, server.between(began, ended))

    def _commits(self, pod: str) -> list[tuple[float, int]]:
        """Return when a sink committed and how many rows, from the audit log."""
        found = rows(self.mysql, "SELECT at, detail FROM audit_log WHERE actor = %s AND action = 'batch'", pod)
        return [
            (at.replace(tzinfo=UTC).timestamp(), sum(part["inserted"] for part in json.loads(detail)))
            for at, detail in found
        ]


_STORED = "SELECT COALESCE(SUM(inserted), 0) FROM sink_offsets WHERE topic = %s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write docs/bench/sink.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows in the table at the end of the growth")
    parser.add_argument("--store", type=int, default=40_000, help="rows stored in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=SinkBatch().max_rows, help="rows of a transaction")
    parser.add_argument("--accounts", type=int, default=ACCOUNTS, help="customers in the load; try 500")
    parser.add_argument("--dry", action="store_true", help="print only, leave the page as it is")
    options = parser.parse_args(arguments)
    sizes = [size for size in (0, 1_000_000, 10_000_000) if size < options.rows] + [options.rows]
    with _servers() as (kafka, registry, mysql, mysqld):
        bench = Bench(kafka, registry, mysql, mysqld, options.batch, options.store, Load(accounts=options.accounts))
        growth = [_at_size(bench, size, options.rounds) for size in sizes]
        console.print("two sinks against one …")
        pairs = [(bench.sinks(1, 2 * options.store), bench.sinks(2, 2 * options.store)) for _ in range(options.rounds)]
    sections = [_growth_section(sizes, growth, options), _pair_section(pairs)]
    if options.dry:
        for section in sections:
            console.print(section)
        return
    publish("sink", "The gold sink", "make bench-sink", sections, {"growth": _plot(sizes, growth)})


type Round = tuple[Rate, Rate, Rate]
"""Bare with PyMySQL's default session, bare with the sink's session, the sink."""


def _at_size(bench: Bench, size: int, rounds: int) -> list[Round]:
    console.print(f"filling up to {size:,} rows …")
    fill(bench.mysql, size)
    measured = []
    for number in range(rounds):
        one = (bench.bare(plain=True), bench.bare(), bench.sinks(1, bench.rows))
        console.print(f"  round {number + 1}: " + ", ".join(" / ".join(rate.cells()) for rate in one))
        measured.append(one)
    return measured


def _growth_section(sizes: list[int], growth: list[list[Round]], options: argparse.Namespace) -> Section:
    cells = []
    for size, rounds in zip(sizes, growth, strict=True):
        plain, bare, sink = (_median([one[index] for one in rounds]) for index in range(3))
        shares = [f"{sink.per_second / other.per_second:.0%}" for other in (plain, bare)]
        cells.append([f"{size:,}", *plain.cells()[:1], *bare.cells(), *sink.cells(), *shares])
    return Section(
        "One sink against bare INSERT, by rows that are in the table already",
        [
            "Rows in the table",
            "Bare, driver's default session, rows/s",
            "Bare rows/s",
            "client µs/row",
            "MySQL µs/row",
            "Sink rows/s",
            "client µs/row",
            "MySQL µs/row",
            "Sink / bare default",
            "Sink / bare",
        ],
        cells,
        [
            (
                f"Median of {options.rounds} rounds of {options.store:,} rows, transactions of {options.batch:,} rows; CPU "
                "time per row, of the client process (the sink's reading from Kafka included) and of mysqld."
            ),
            (
                "Bare: rows prepared beforehand, PyMySQL's executemany into the same table, one commit per batch, with the "
                "sink's session settings; the first column has the driver's default session."
            ),
            (
                "The sink: Kafka, Avro, event ids, rows, hourly and daily summaries, offsets, audit, one transaction; "
                f"events of {options.accounts:,} accounts."
            ),
            f"mysqld: `{' '.join(MYSQL_FLAGS)}`.",
        ],
    )


def _pair_section(pairs: list[tuple[Rate, Rate]]) -> Section:
    one, two = (_median([pair[index] for pair in pairs]) for index in range(2))
    return Section(
        "Two sinks on two partitions against one",
        ["Sinks", "Rows/s together", "client µs/row", "MySQL µs/row", "against one"],
        [["1", *one.cells(), "100%"], ["2", *two.cells(), f"{two.per_second / one.per_second:.0%}"]],
        ["Client and MySQL share the machine's cores, which is what limits two sinks here."],
    )


def _median(rates: list[Rate]) -> Rate:
    middle = statistics.median_low([rate.per_second for rate in rates])
    return next(rate for rate in rates if rate.per_second == middle)


def _plot(sizes: list[int], growth: list[list[Round]]) -> Figure:
    figure = Figure(figsize=(7, 3.5))
    axes = figure.add_subplot()
    for index, name in enumerate(("bare, driver's default session", "bare", "sink, everything on")):
        medians = [_median([one[index] for one in rounds]).per_second for rounds in growth]
        axes.plot([size / 1e6 for size in sizes], medians, marker="o", label=name)
    axes.set_xlabel("million rows in the table")
    axes.set_ylabel("rows/s")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


@contextmanager
def _servers() -> Iterator[tuple[KafkaSettings, SchemaRegistrySettings, MySQLSettings, int]]:
    with (
        kafka_container() as (_, bootstrap),
        registry_container() as (_, url),
        mysql_container(*MYSQL_FLAGS) as (container, port, password),
    ):
        mysql = MySQLSettings(
            host="127.0.0.1", port=port, username="root", password=SecretStr(password), database="holded"
        )
        with pymysql.connect(host="127.0.0.1", port=port, user="root", password=password) as connection:
            connection.cursor().execute("CREATE DATABASE holded")
        migrate(mysql)
        with Database(mysql).cursor() as cursor:
            make_days(cursor)
        yield KafkaSettings(bootstrap_servers=bootstrap), SchemaRegistrySettings(url=url), mysql, _pid(container)
        check_no_loss(mysql)


def check_no_loss(mysql: MySQLSettings) -> None:
    """Hold what the sinks stored against the summaries, which count neither filled nor bare rows."""
    counted = rows(mysql, "SELECT COALESCE(SUM(event_count), 0) FROM events_summary_daily")[0][0]
    stored = rows(mysql, "SELECT COALESCE(SUM(inserted), 0) FROM sink_offsets")[0][0]
    if counted != stored:
        raise RuntimeError(f"summaries have {counted} events, the sinks stored {stored}")


def _pid(container: docker.models.containers.Container) -> int:
    container.reload()
    return int(container.attrs["State"]["Pid"])


@contextmanager
def _like_the_sink(settings: MySQLSettings) -> Iterator[Any]:
    database = Database(settings)
    try:
        with database.cursor() as cursor:
            yield cursor
    finally:
        database.close()


@contextmanager
def _plain(settings: MySQLSettings) -> Iterator[Any]:
    password = settings.password.get_secret_value()
    connection = pymysql.connect(
        host=settings.host, port=settings.port, user=settings.username, password=password, database=settings.database
    )
    with connection, connection.cursor() as cursor:
        yield cursor


@contextmanager
def _process(settings: SinkSettings) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        **render_env(settings),
        "HOLDED_MYSQL__USERNAME": settings.mysql.username,
        "HOLDED_MYSQL__PASSWORD": settings.mysql.password.get_secret_value(),
    }
    with tempfile.TemporaryFile() as log:
        started = subprocess.Popen([sys.executable, "-m", "holded_sink.main"], env=environment, stderr=log, stdout=log)
        try:
            yield started
        finally:
            started.kill()
            started.wait(30)


if __name__ == "__main__":
    main()
