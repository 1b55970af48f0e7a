"""The worker on Flink against embedded workers: events a second, CPU, memory by role, latency: `make bench-flink`.

    python -m tests.bench.flink [--events 300000] [--parallelism 1 2]

Both runners take the same backlog from topics of their own, one after the other, on the same machine, and run from the worker's
image, compiled as it is deployed; Flink's parts are containers of its own images. A pipeline of parallelism N is N embedded
workers, or N TaskManagers of one slot. Kafka, registry and the load share the machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from docker.models.containers import Container
from matplotlib.figure import Figure

from holded_contracts.settings import WorkerSettings
from holded_contracts.settings.render import render_env
from holded_worker.io.group_offsets import GroupOffsets
from tests.bench.image_python import image_python
from tests.bench.report import Section, publish
from tests.bench.usage import cpu_seconds, resident_mib
from tests.bench.worker import PARTITIONS, SAY, Bench, open_bench, ordered_percentile, silver_latencies
from tests.bench.worker_process import WORKER, RawEvent, RawTopic, mixed_events, worker_process
from tests.support.containers import free_port
from tests.support.flink import FlinkCluster, flink_cluster, pool_environment
from tests.support.waiting import wait_until
from tests.support.worker_image import build_worker_image

RATE = 200
"""Events a second of the latency measurement: both runners keep up with it at any parallelism."""
LATENCY_EVENTS_SECONDS = 60
"""So long no event of that measurement comes twice."""
WARM_SHARE = 0.3
"""Of the backlog, not counted: processes start, caches and compiled code come to be."""
LOOK_SECONDS = 0.5
MAX_STILL_SECONDS = 90.0
TASK_MANAGER_MIB = 1280

type Roles = dict[str, Callable[[], tuple[float, float]]]
"""How to read the CPU seconds and the resident MiB of each part of a runner."""


@dataclass(frozen=True)
class Run:
    """What a runner did at one parallelism."""

    runner: str
    parallelism: int
    rate: float
    """Events a second, by the clock."""
    cpu: float
    """CPU microseconds per event, of all parts."""
    python_cpu: float
    """The part of it in our Python processes."""
    memory: dict[str, float]
    """Peak resident MiB by role."""
    latencies: list[float]
    """Seconds, sorted."""


@contextmanager
def embedded(settings: WorkerSettings, parallelism: int) -> Iterator[Roles]:
    """Run embedded workers."""
    with ExitStack() as running:
        roles: Roles = {}
        for number in range(parallelism):
            name = f"worker-{number}"
            worker = running.enter_context(worker_process(settings.model_copy(update={"pod_name": name}), WORKER))
            roles[name] = _process(worker.pid)
        yield roles


@contextmanager
def on_flink(settings: WorkerSettings, parallelism: int) -> Iterator[Roles]:
    """Run a session cluster of its own and a job on it."""
    pids: list[int] = []

    @contextmanager
    def pool(cluster: FlinkCluster) -> Iterator[None]:
        arguments = ["-m", "holded_worker.flink.pool"]
        with image_python(arguments, pool_environment(cluster), own_image=build_worker_image()) as process:
            pids.append(process.pid)
            yield

    with (
        tempfile.TemporaryDirectory() as folder,
        flink_cluster(Path(folder), taskmanagers=parallelism, pool=pool) as cluster,
    ):
        flink = cluster.settings(parallelism=parallelism, checkpoint_interval_ms=10_000)
        with _supervisor(settings.model_copy(update={"flink": flink, "probes_port": free_port()})):
            parts = {name: _container(container) for name, container in cluster.containers.items()}
            yield {**parts, "python": _process(pids[0])}


@contextmanager
def _supervisor(settings: WorkerSettings) -> Iterator[None]:
    """Keep the job running, and return when it does."""
    command = [sys.executable, "-m", "holded_worker.flink.submit"]
    with subprocess.Popen(
        command, env={**os.environ, **render_env(settings)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            url = f"http://127.0.0.1:{settings.probes_port}/ready"
            wait_until(lambda: httpx.get(url, timeout=5).is_success, timeout=180, what="the job runs")
            yield
        finally:
            process.terminate()


RUNNERS = {"Embedded": embedded, "Flink": on_flink}


def measured(bench: Bench, runner: str, parallelism: int, events: Sequence[RawEvent]) -> Run:
    """Let a runner take the backlog, then a steady load."""
    SAY(f"{runner}, parallelism {parallelism}")
    settings = bench.settings(f"{runner.lower()}-{parallelism}")
    topic = RawTopic(settings)
    topic.send(events)
    topic.flush()
    offsets = GroupOffsets(settings)
    with RUNNERS[runner](settings, parallelism) as roles:
        rate, cpu, python_cpu, memory = _drain(offsets, roles, len(events))
        # Others than the backlog's, which would be duplicates.
        latencies = silver_latencies(settings, mixed_events(RATE * LATENCY_EVENTS_SECONDS, seed=5), RATE)
    offsets.close()
    found = Run(runner, parallelism, rate, cpu, python_cpu, memory, latencies)
    SAY(f"  {rate:,.0f} events/s, {cpu:.0f} µs of CPU each, p50 {ordered_percentile(latencies, 0.5) * 1000:.0f} ms")
    return found


def _drain(offsets: GroupOffsets, roles: Roles, total: int) -> tuple[float, float, float, dict[str, float]]:
    """Return events a second and CPU microseconds per event after the warm share, all and Python's, and peak memory."""
    peaks = dict.fromkeys(roles, 0.0)
    first: tuple[float, int, dict[str, float]] | None = None
    last_count, moved = 0, time.monotonic()
    while True:
        count = sum(offsets.committed(partition, stable=False) or 0 for partition in range(PARTITIONS))
        now = time.monotonic()
        usage = {role: read() for role, read in roles.items()}
        cpu = {role: seconds for role, (seconds, _) in usage.items()}
        peaks = {role: max(peak, usage[role][1]) for role, peak in peaks.items()}
        if count > last_count:
            last_count, moved = count, now
        if now - moved > MAX_STILL_SECONDS:
            raise SystemExit(f"the worker stands still at {count} of {total}")
        if first is None and count >= total * WARM_SHARE:
            first = (now, count, cpu)
        if first is not None and count >= total:
            break
        time.sleep(LOOK_SECONDS)
    began, before, cpu_before = first
    if total - before < total / 3:
        raise SystemExit(f"{total} events are too few: {before} were done at the first look after the warm share")
    spent = {role: (seconds - cpu_before[role]) / (total - before) * 1e6 for role, seconds in cpu.items()}
    ours = sum(each for role, each in spent.items() if role.startswith(("worker", "python")))
    return (total - before) / (now - began), sum(spent.values()), ours, peaks


def _process(pid: int) -> Callable[[], tuple[float, float]]:
    return lambda: (cpu_seconds(pid), resident_mib(pid))


def _container(container: Container) -> Callable[[], tuple[float, float]]:
    container.reload()
    return _process(int(container.attrs["State"]["Pid"]))


def main() -> None:
    """Measure, print, and write docs/bench/flink.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000, help="backlog of each measurement")
    parser.add_argument("--parallelism", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    events = mixed_events(options.events)
    with open_bench() as bench:
        runs = [measured(bench, runner, number, events) for number in options.parallelism for runner in RUNNERS]
    publish(
        "flink",
        "The worker on Flink",
        "make bench-flink",
        [_throughput(runs, len(events)), _latency(runs), _memory(runs)],
        {"throughput": _plot(runs)},
    )


def _throughput(runs: Sequence[Run], events: int) -> Section:
    return Section(
        f"Throughput: a backlog of {events:,} mixed events in {PARTITIONS} partitions",
        ("runner", "parallelism", "events/s, wall", "CPU µs per event", "of it Python", "events/s per core"),
        [
            (
                run.runner,
                str(run.parallelism),
                f"{run.rate:,.0f}",
                f"{run.cpu:.0f}",
                f"{run.python_cpu:.0f}",
                f"{1e6 / run.cpu:,.0f}",
            )
            for run in runs
        ],
        [
            f"counted after the first {WARM_SHARE:.0%} of the backlog",
            f"wall: {os.cpu_count()} cores for all parts and for Kafka, so it says nothing about more machines",
            "CPU: of all parts, JobManager and job server included, and of Python's processes alone",
        ],
    )


def _latency(runs: Sequence[Run]) -> Section:
    return Section(
        f"Latency from received_at to a read_committed reader of silver, {RATE} events/s",
        ("runner", "parallelism", "events", "p50 (ms)", "p90 (ms)", "p99 (ms)", "max (ms)"),
        [
            (
                run.runner,
                str(run.parallelism),
                f"{len(run.latencies):,}",
                *(f"{ordered_percentile(run.latencies, share) * 1000:.0f}" for share in (0.5, 0.9, 0.99, 1.0)),
            )
            for run in runs
        ],
    )


def _memory(runs: Sequence[Run]) -> Section:
    return Section(
        "Peak resident memory by role",
        ("role", "runner", "parallelism", "MiB"),
        [(role, run.runner, str(run.parallelism), f"{mib:,.0f}") for run in runs for role, mib in run.memory.items()],
        [
            f"a TaskManager is given {TASK_MANAGER_MIB} MiB as the size of its process, a JobManager 1024",
            "python: one pool with the worker processes of all TaskManagers; in a cluster each has a pool of its own",
        ],
    )


def _plot(runs: Sequence[Run]) -> Figure:
    figure = Figure(figsize=(7, 3.5))
    axes = figure.subplots()
    for color, runner in enumerate(RUNNERS):
        of_runner = [run for run in runs if run.runner == runner]
        axes.plot(
            [run.parallelism for run in of_runner],
            [1e6 / run.cpu for run in of_runner],
            marker="o",
            color=f"C{color}",
            label=runner,
        )
    axes.set(
        xlabel="parallelism", ylabel="events/s per core", ylim=(0, None), xticks=sorted({r.parallelism for r in runs})
    )
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
