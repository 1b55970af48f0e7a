"""Deduplication as Beam state: what it remembers, for how long, and that its cache never knows more than the state."""

import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from holded_worker.flink import dedup
from holded_worker.flink.dedup import DropKnown
from holded_worker.pipeline import Duplicate, Origin, PartitionBatch, Silver

WINDOW_SECONDS = 100
SECOND = 1_000_000
START = 1_000 * WINDOW_SECONDS * SECOND
"""Microseconds; an epoch begins here."""


class Bag(list):
    def add(self, blob: bytes) -> None:
        self.append(blob)

    def read(self) -> Iterator[bytes]:
        return iter(self)


class Value:
    value: bytes | None = None

    def read(self) -> bytes | None:
        return self.value

    def write(self, value: bytes) -> None:
        self.value = value

    def clear(self) -> None:
        self.value = None


class Timer:
    at: Any = None

    def set(self, at: Any) -> None:
        self.at = at


class State:
    """A partition's state as Flink would keep it; can be rolled back to an earlier one."""

    def __init__(self) -> None:
        self.even, self.odd, self.mark, self.idle = Bag(), Bag(), Value(), Timer()

    def checkpoint(self) -> "State":
        return copy.deepcopy(self)


class Process:
    """What the worker process remembers: it outlives a bundle that fails, if Flink lets it."""

    def __init__(self, in_silver: list[tuple[bytes, int]]) -> None:
        self.settings = SimpleNamespace(dedup_window_seconds=WINDOW_SECONDS, dedup_max_ids=1000)
        self.indexes: dict[int, Any] = {}
        self.seeds = 0
        self.claimed: list[int] = []
        self.writers = SimpleNamespace(claim=self.claimed.append)
        self.patience = SimpleNamespace(persistently=lambda work: work())
        self.metrics = SimpleNamespace(index=lambda *_: None)
        self.limit_indexes = lambda: None
        self._in_silver = in_silver
        self.readback = SimpleNamespace(read=self._read)

    def _read(self, partition: int, since: int) -> Iterator[list[tuple[bytes, int]]]:
        assert self.claimed == [partition], "claimed before silver is read, so that nobody else writes"
        self.seeds += 1
        yield self._in_silver


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, in_silver: list[tuple[bytes, int]]) -> None:
        self.state, self.process = State(), Process(in_silver)
        self.now = START
        monkeypatch.setattr(dedup, "harness", lambda _: self.process)
        monkeypatch.setattr(dedup, "now_micros", lambda: self.now)

    def send(self, *numbers: int) -> list[int]:
        """Take events through; return those that are new."""
        items = [Silver({"event_id": identity(number), "raw_offset": at}) for at, number in enumerate(numbers)]
        batch = PartitionBatch(3, items, Origin(0, len(items), 0))
        state = self.state
        [found] = DropKnown("{}").process((3, batch), state.even, state.odd, state.mark, state.idle)
        assert found.origin == batch.origin
        assert [type(item) in {Silver, Duplicate} for item in found.items] == [True] * len(numbers)
        return [number for number, item in zip(numbers, found.items, strict=True) if isinstance(item, Silver)]


def identity(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.fixture
def in_silver() -> list[tuple[bytes, int]]:
    return []


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, in_silver: list[tuple[bytes, int]]) -> World:
    return World(monkeypatch, in_silver)


def test_what_was_there_is_a_duplicate_within_a_batch_and_across_batches(world: World) -> None:
    assert world.send(1, 2, 1) == [1, 2]
    assert world.send(2, 3) == [3]


def test_another_process_knows_what_the_state_knows(world: World) -> None:
    world.send(1, 2)
    world.process = Process([])
    assert world.send(1, 2, 3) == [3]
    assert world.process.seeds == 0, "silver is read only where there is no state"


def test_memory_that_is_newer_than_a_rolled_back_state_is_not_believed(world: World) -> None:
    world.send(1)
    checkpoint = world.state.checkpoint()
    assert world.send(2, 3) == [2, 3]
    world.state = checkpoint  # the process is the same, and its memory knows 2 and 3
    assert world.send(1, 2, 3) == [2, 3], "their replay would be lost as duplicates of themselves"


def test_a_state_that_was_rolled_back_to_nothing_is_filled_from_silver(
    world: World, in_silver: list[tuple[bytes, int]]
) -> None:
    nothing = world.state.checkpoint()
    world.send(1, 2)
    in_silver.append((identity(1), START))  # of the two only this had been written
    world.state = nothing
    world.process.claimed.clear()
    assert world.send(1, 2) == [2]


def test_the_first_run_takes_its_ids_from_silver_and_the_state_keeps_them(
    world: World, in_silver: list[tuple[bytes, int]]
) -> None:
    in_silver += [(identity(7), START - 30 * SECOND), (identity(8), START)]
    assert world.send(7, 8, 9) == [9]
    world.process = Process([])
    assert world.send(7, 8, 9) == []


@pytest.mark.parametrize("restarted", [False, True])
def test_an_id_is_known_for_the_window_and_then_forgotten(world: World, *, restarted: bool) -> None:
    world.send(1)
    for at, new in ((WINDOW_SECONDS - 1, []), (WINDOW_SECONDS + 3, [1])):
        world.now = START + at * SECOND
        if restarted:
            world.process = Process([])
        assert world.send(1) == new


def test_the_state_holds_two_epochs_at_most(world: World) -> None:
    for epoch in range(6):
        world.now = START + epoch * WINDOW_SECONDS * SECOND
        world.send(10 + epoch)
    assert [len(world.state.even), len(world.state.odd)] == [1, 1]
    world.now += 5 * WINDOW_SECONDS * SECOND
    world.send(99)
    assert len(world.state.even) + len(world.state.odd) == 1, "after a long silence both bags are too old"


def test_an_idle_partition_forgets_everything_when_its_timer_fires(world: World) -> None:
    world.send(1)
    assert world.state.idle.at.micros >= START + 2 * WINDOW_SECONDS * SECOND
    DropKnown("{}").forget(world.state.even, world.state.odd, world.state.mark)
    assert (world.state.even, world.state.odd, world.state.mark.value) == ([], [], None)


def test_without_a_window_nothing_is_deduplicated(world: World) -> None:
    world.process.settings.dedup_window_seconds = 0
    assert world.send(1, 1) == [1, 1]
    assert world.state.mark.value is None
