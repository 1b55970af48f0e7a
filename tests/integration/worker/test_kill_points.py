"""A worker that is killed at any point of a batch leaves the same outputs as one that lives: exactly once (G2, D1 to D9).

Every run is compared with the pure functions applied to what lies in raw, and so with every other run. The table of
what each run counted is printed at the end: `pytest -rP`.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holded_contracts import wire
from holded_contracts.settings import WorkerBatch
from holded_contracts.topics import Artefact
from holded_worker.domain.process import Rules, process
from holded_worker.domain.records import RawRecord
from tests.integration.worker.doomed import POINTS, run_until_death
from tests.integration.worker.support import RawTopic, Topics, event, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

POD = "worker-0"
EVENTS = 900
PAYLOADS = [
    *(event(number) for number in range(EVENTS)),
    *(event(number) for number in range(0, EVENTS, 10)),  # duplicates, most of them in another batch than the first
    b"no json",
    b'{"data": [], "headers": {}}',
    b'{"data": {}, "headers": {"type": "?"}}',
]
EXPECTED = {"records": EVENTS + EVENTS // 10 + 3, "silver": EVENTS, "dead_letters": 3, "duplicates": EVENTS // 10}
CLOCKS = {"processed_at", "failed_at"}

type Row = dict[str, Any]


class _Schemas:
    def writer_schema(self, _: int) -> Any:
        return wire.parsed_schema(Artefact.RAW)


def reference(state: Topics, rules: Rules) -> tuple[list[Row], list[Row]]:
    """Return silver and dead letters as the pure functions make them of raw; the first of a partition's ids counts."""
    silver: list[Row] = []
    dead: list[Row] = []
    seen: set[tuple[int, bytes]] = set()
    for message in state.messages(Artefact.RAW):
        record = RawRecord(message.topic(), message.partition(), message.offset(), message.value())
        outcome = process(record, _Schemas(), rules, 0)
        if outcome.dead is not None:
            dead.append(outcome.dead)
        elif outcome.silver is not None and (record.partition, outcome.silver["event_id"]) not in seen:
            seen.add((record.partition, outcome.silver["event_id"]))
            silver.append(outcome.silver)
    return silver, dead


def comparable(rows: list[Row]) -> list[list[tuple[str, str]]]:
    """Return rows without the worker's clock, in an order of their own."""
    return sorted(sorted((name, repr(value)) for name, value in row.items() if name not in CLOCKS) for row in rows)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines that are printed when all runs are over."""
    lines = ["| killed when | committed then | in | silver | dead | duplicate |", "|---|---|---|---|---|---|"]
    yield lines
    print("\n".join(["", *lines]))  # noqa: T201 -- the report


@pytest.mark.parametrize(
    "deaths",
    [
        (),
        *((point,) for point in POINTS if point != "reading silver back"),
        ("committed, dedup not updated", "reading silver back"),
    ],
    ids=lambda deaths: ", then ".join(deaths) or "never",
)
def test_a_kill_changes_nothing_in_the_outputs(
    deaths: tuple[str, ...],
    raw: RawTopic,
    state: Topics,
    tmp_path: Path,
    table: list[str],
) -> None:
    raw.send(PAYLOADS)
    small_batches = state.settings.model_copy(update={"pod_name": POD, "batch": WorkerBatch(max_events=400)})
    for number, point in enumerate(deaths):
        log = tmp_path / f"{number}.log"
        assert run_until_death(point, small_batches, log) == -signal.SIGKILL, log.read_text("utf-8")
    committed = sum(state.committed("read_uncommitted").values()) if deaths else 0
    assert 0 < committed < EXPECTED["records"] or not deaths, "it died in mid-load, with something committed"

    with running(small_batches) as metrics:
        left = EXPECTED["records"] - committed
        wait_until(lambda: metrics.get_sample_value("holded_worker_records_total") == left, timeout=60)
    assert state.drained()
    counts = state.assert_ledger_balances()
    table.append(f"| {', then '.join(deaths) or 'never'} | {committed} | {' | '.join(map(str, counts.values()))} |")
    assert counts == EXPECTED
    silver, dead = reference(state, Rules.of(state.settings))
    assert comparable(state.values(Artefact.SILVER)) == comparable(silver)
    assert comparable(state.values(Artefact.DEAD_LETTER)) == comparable(dead)
    assert max(Counter(row["event_id"] for row in silver).values()) == 1
