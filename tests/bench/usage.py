"""What a process costs: CPU seconds and memory, read from outside, its children included."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its living children, user and system, in seconds."""
    process = psutil.Process(pid)
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        times = each.cpu_times()
        total += times.user + times.system
    return total


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process and its children, in MiB."""
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) / 2**20


@dataclass(frozen=True)
class Sample:
    """Resident memory at a time since the start of the watch."""

    seconds: float
    mib: float


class MemoryWatch:
    """Samples the memory of a process on a thread while its context is open."""

    def __init__(self, pid: int, *, every: float = 1.0) -> None:
        self.samples: list[Sample] = []
        self._pid = pid
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        while not self._stop.wait(self._every):
            self.samples.append(Sample(time.monotonic() - started, resident_mib(self._pid)))


class CpuWatch:
    """Samples the CPU time of a process, without its children, on a thread while its context is open."""

    def __init__(self, pid: int, *, every: float = 0.05) -> None:
        self._process = psutil.Process(pid)
        self._every = every
        self._samples: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def between(self, began: float, ended: float) -> float:
        """Return the CPU seconds used between two times of `time.time()`, each within a sample's distance."""
        return self._at(ended) - self._at(began)

    def _at(self, moment: float) -> float:
        return min(self._samples, key=lambda sample: abs(sample[0] - moment))[1]

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._sample()

    def _sample(self) -> None:
        with suppress(psutil.NoSuchProcess):
            times = self._process.cpu_times()
            self._samples.append((time.time(), times.user + times.system))
