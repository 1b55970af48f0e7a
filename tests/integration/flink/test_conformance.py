"""Both runners make the same of the same input."""

from collections import Counter
from functools import cache
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings

from holded_contracts import wire
from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import Artefact
from tests.integration.flink.conftest import Flink
from tests.integration.worker.support import PARTITIONS, RawTopic, Topics, event, running
from tests.support.topics import create_topics
from tests.support.waiting import wait_until
from tests.unit.worker.hostile import VALUES_OF_RECORDS
from tests.unit.worker.samples import RAW_SCHEMA_ID

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

CLOCKS = {"processed_at", "failed_at", "committed_at", "topic"}

MAX_BYTES = 900_000
"""Of a value; the producers of these tests refuse one of a megabyte."""

type Row = dict[str, Any]


@cache
def hostile_values() -> tuple[bytes | None, ...]:
    """Return values of raw records as broken producers write them, as far as a producer can send them at all."""
    values: list[bytes | None] = []

    @hypothesis_settings(max_examples=300, derandomize=True, database=None, phases=[Phase.generate], deadline=None)
    @given(VALUES_OF_RECORDS)
    def collect(value: bytes | None) -> None:
        if value is None or len(value) < MAX_BYTES:
            values.append(value)

    collect()
    return tuple(values)


def framed(value: bytes | None, header: bytes) -> bytes | None:
    """Return a value with another header in place of ours, if it has that."""
    ours = wire.frame(RAW_SCHEMA_ID)
    return header + value[len(ours) :] if value is not None and value.startswith(ours) else value


def fill(raw: RawTopic) -> int:
    """Write the input of this test; return the number of its records."""
    valid = [event(number) for number in range(600)]
    raw.send(
        [*valid, *valid[:60], b'{"data": {}, "headers": {"type": "?"}}', b"no json", b'{"data": [], "headers": {}}']
    )
    hostile = [*(framed(value, raw.header) for value in hostile_values()), wire.frame(123_456) + b"x"]
    for number, value in enumerate(hostile):
        raw.send_value(value, partition=number % PARTITIONS)
    return len(valid) + 63 + len(hostile)


def rows(state: Topics, artefact: Artefact) -> Counter[str]:
    """Return the records of a topic as a set, without times of processing and names that differ by pipeline."""
    return Counter(
        repr(sorted((name, value) for name, value in row.items() if name not in CLOCKS))
        for row in state.values(artefact)
    )


def analytics(state: Topics) -> dict[str, list[int]]:
    """Return the sums of all increments of a window: how they are cut depends on batches."""
    sums: dict[str, list[int]] = {}
    for row in state.values(Artefact.ANALYTICS):
        key = repr(
            [row[name] for name in ("window_start", "account_id", "business_context", "type", "pipeline_version")]
        )
        total = sums.setdefault(key, [0, 0, 0])
        total[0] += row["count"]
        total[1] += int.from_bytes(row["amount_sum"], "big", signed=True)
        total[2] += int.from_bytes(row["quality_sum"], "big", signed=True)
    return sums


def test_both_runners_make_the_same_of_the_same_records(
    flink: Flink, settings: WorkerSettings, raw: RawTopic, state: Topics
) -> None:
    topics = create_topics(
        settings.kafka, settings.schema_registry, f"{settings.pipeline.name}.embedded", partitions=PARTITIONS
    )
    pipeline = settings.pipeline.model_copy(update={"name": f"{settings.pipeline.name}-embedded"})
    embedded = settings.model_copy(update={"topics": topics, "pipeline": pipeline})
    expected = Topics(embedded, state.admin)
    count = fill(raw)
    assert fill(RawTopic(embedded)) == count
    with running(embedded):
        wait_until(expected.drained, timeout=180)
    flink.start_ready()
    wait_until(state.drained, timeout=180)

    totals = state.assert_ledger_balances()
    assert totals == expected.assert_ledger_balances()
    assert totals["records"] == count
    assert min(totals["silver"], totals["dead_letters"], totals["duplicates"]) > 60
    assert rows(state, Artefact.SILVER) == rows(expected, Artefact.SILVER)
    assert rows(state, Artefact.DEAD_LETTER) == rows(expected, Artefact.DEAD_LETTER)
    assert analytics(state) == analytics(expected)
    for message, value in state.read(Artefact.SILVER):
        assert (message.partition(), message.key()) == (value["raw_partition"], value["event_id"])
