"""Gold as the sink fills it, by the sink's own code and without Kafka; and the command line as a user calls it."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from typer.testing import CliRunner, Result

from holded_cli.main import app
from holded_contracts.settings import MySQLSettings
from holded_contracts.topics import Artefact
from holded_sink.batch import Batch, Decoded, Record, Source
from holded_sink.errors import TransientError
from holded_sink.io.connection import Database
from holded_sink.io.repository import Gold
from holded_sink.prepare import prepare
from tests.integration.sink.harness import silver

NOW = datetime(2026, 11, 23, 12)  # noqa: DTZ001 -- as MySQL has it, UTC


class SinkWriter:
    """Writes batches as one sink that owns one partition of each topic."""

    def __init__(self, settings: MySQLSettings, partition: int = 0) -> None:
        self._gold = Gold(Database(settings), actor=f"sink-{partition}")
        self._partition = partition

    def write(self, events: Iterable[dict[str, Any]] = (), letters: Iterable[dict[str, Any]] = ()) -> None:
        """Store silver records and dead letters in one transaction of the sink."""
        records = []
        for artefact, fields in ((Artefact.SILVER, list(events)), (Artefact.DEAD_LETTER, list(letters))):
            source = Source(f"{artefact}-id", self._partition, artefact.value, artefact)
            (position,) = self._gold.positions([source]).values()
            records += [
                Decoded(Record(source, position.next_offset + number, one["event_id"], b""), one)
                for number, one in enumerate(fields)
            ]
        sources = {item.record.source for item in records}
        batch = Batch(records, self._gold.positions(sources))
        self._gold.write(prepare(batch, refused={}, now=NOW, pipeline_version="test"))


@contextmanager
def two_sinks_writing(settings: MySQLSettings, **changes: Any) -> Iterator[list[int]]:
    """Two sinks that write the same buckets until the block ends; yields the sizes of their batches so far.

    `changes` are fields of every event.
    """
    stop, written = threading.Event(), []

    def write(partition: int) -> None:
        writer, number = SinkWriter(settings, partition), 10_000 * partition
        while not stop.is_set():
            batch = [silver(number + one, **changes) for one in range(50)]
            while True:
                try:
                    writer.write(batch)
                    break
                except TransientError:  # a lost deadlock; the sink repeats its batch as well
                    continue
            number += len(batch)
            written.append(len(batch))

    threads = [threading.Thread(target=write, args=(partition,)) for partition in (1, 2)]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def micros(text: str) -> int:
    """Return a UTC time as microseconds since the epoch."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


def holded(mysql: MySQLSettings, *arguments: object, **environment: str) -> Result:
    """Run the command line against a database, with the environment a user would set."""
    variables = {
        "HOLDED_MYSQL__HOST": mysql.host,
        "HOLDED_MYSQL__PORT": str(mysql.port),
        "HOLDED_MYSQL__DATABASE": mysql.database,
        "HOLDED_MYSQL__USERNAME": mysql.username,
        "HOLDED_MYSQL__PASSWORD": mysql.password.get_secret_value(),
    }
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=variables | environment)


def answer(result: Result, code: int = 0) -> dict[str, Any]:
    """Return the JSON of a command that must have ended with this code."""
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def complaint(result: Result) -> str:
    """Return what a command said on standard error, without the box that wraps its lines."""
    return " ".join(result.stderr.replace("│", " ").split())


def differences(mysql: MySQLSettings, *arguments: object) -> dict[str, int]:
    """Return the checks of `holded verify` that found something."""
    result = holded(mysql, "verify", "-o", "json", *arguments)
    assert result.exit_code in (0, 1), result.output
    found = {
        check["name"]: check["differences"] for check in json.loads(result.stdout)["checks"] if check["differences"]
    }
    assert result.exit_code == (1 if found else 0)
    return found
