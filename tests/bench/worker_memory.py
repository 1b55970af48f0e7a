"""What a worker's memory does while it works for long.

    python -m tests.bench.worker_memory [--minutes 30]

The worker runs from its image and takes a steady load of mixed events all the time.
"""

import argparse
import time

from matplotlib.figure import Figure

from tests.bench.report import Section, publish
from tests.bench.usage import MemoryWatch
from tests.bench.worker import SAY, Bench, open_bench
from tests.bench.worker_process import WORKER, RawTopic, mixed_events, worker_process

RATE = 2000
"""Events a second: the load generator and Kafka share the machine."""
EVENTS = 100_000
"""Different events; sent again and again, they are duplicates only within the window of deduplication."""
WINDOW_SECONDS = 15
"""Window of deduplication, so that the index has its full size from the first third on."""


def main() -> None:
    """Measure, print, and write docs/bench/worker-memory.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="time under load")
    minutes = parser.parse_args().minutes
    with open_bench() as bench:
        watch, records = _watch(bench, minutes)
    command = "make bench-worker-memory"
    publish("worker-memory", "Memory of the worker", command, [_section(watch, records)], {"resident": _plot(watch)})


def _watch(bench: Bench, minutes: float) -> tuple[MemoryWatch, float]:
    """Return the memory of a worker that works all the time, and how many records it took."""
    SAY(f"{minutes:g} minutes at {RATE} events/s")
    settings = bench.settings("memory", dedup_window_seconds=WINDOW_SECONDS)
    with worker_process(settings, WORKER) as worker:
        with RawTopic(settings).steadily(mixed_events(EVENTS), RATE), MemoryWatch(worker.pid, every=5.0) as watch:
            time.sleep(minutes * 60)
        return watch, worker.progress().records


def _section(watch: MemoryWatch, records: float) -> Section:
    samples = watch.samples
    parts = [samples[len(samples) * part // 6 : len(samples) * (part + 1) // 6] for part in range(6)]
    seconds = samples[-1].seconds
    return Section(
        f"Resident memory over {seconds / 60:.0f} minutes at {records / seconds:,.0f} events/s",
        ("peak of the 1st sixth", "2nd", "3rd", "4th", "5th", "6th"),
        [tuple(f"{max(sample.mib for sample in part):.0f} MiB" for part in parts)],
        [
            f"{records:,.0f} records",
            f"deduplication over {WINDOW_SECONDS} s, so that the index has its full size from the first part on",
        ],
    )


def _plot(watch: MemoryWatch) -> Figure:
    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    axes.plot([sample.seconds / 60 for sample in watch.samples], [sample.mib for sample in watch.samples])
    axes.set(xlabel="minutes", ylabel="resident MiB", ylim=(0, None))
    return figure


if __name__ == "__main__":
    main()
