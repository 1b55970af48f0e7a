"""What an event takes from its 202 to a SELECT that finds it, in kind: `make bench-latency`.

    python -m tests.bench.latency [--rate 300] [--seconds 120] [--batch 10]

The whole installation on one node: events at a steady rate, the time of each acknowledgement, and a connection of its own
that asks MySQL twenty times a second for every event that was acknowledged and not seen yet. What the asking itself takes is
in the figures. HOLDED_CLUSTER names another cluster than `holded-latency`; one that stands already is used and left standing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from holded_cli.send.mixture import Shares
from holded_cli.send.tally import percentile
from tests.bench.report import Section, publish
from tests.chaos.traffic import Load, Traffic
from tests.chaos.watch import Watch
from tests.chaos.world import World
from tests.support.gold import rows
from tests.support.stack import Testbed

POLL_SECONDS = 0.05
WARM_SECONDS = 10.0
"""Not counted: connections, caches and compiled code come to be."""
ARRIVAL_SECONDS = 60.0
BARS = {0.5: 1.0, 0.99: 3.0}
"""Seconds that a quantile may take at 300 events/s."""
QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


def main() -> int:
    """Measure and publish; 1 when a bar is missed or an event is missing."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=float, default=300.0, help="events a second")
    arguments.add_argument("--seconds", type=float, default=120.0)
    arguments.add_argument("--batch", type=int, default=10, help="events in a request")
    options = arguments.parse_args()
    testbed = Testbed(os.environ.get("HOLDED_CLUSTER", "holded-latency"), "tests/e2e/kind-config.yaml")
    clusters = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True, check=True).stdout.split()
    for step in ("cluster", "images", "deploy"):
        testbed.step(step)
    with tempfile.TemporaryDirectory() as folder:
        world = World(testbed.stack(Path(folder) / "kubeconfig"), name="latency")
        world.install()
        try:
            latencies, missing, canary = measured(world, options, Path(folder) / "record")
        finally:
            world.remove()
    if testbed.cluster not in clusters:
        testbed.step("clean")
    seconds = [took for _, took in latencies]
    publish(
        "latency",
        "From the 202 to a SELECT",
        "make bench-latency",
        [table(seconds, options, missing, canary)],
        {"distribution": figure(latencies)},
    )
    return 0 if not missing and all(percentile(seconds, at) < bar for at, bar in BARS.items()) else 1


def measured(
    world: World, options: argparse.Namespace, record: Path
) -> tuple[list[tuple[float, float]], int, int | None]:
    """Return latencies (as `Watch` has them) after the warm-up, events not found, and the newest canary's milliseconds."""
    load = Load(rate=options.rate, batch=options.batch, shares=Shares.of())
    with Traffic(world.url, load, record) as traffic, Watch(world.gold, traffic.notebook, every=POLL_SECONDS) as watch:
        time.sleep(WARM_SECONDS)
        began = time.monotonic()
        time.sleep(options.seconds)
        canary = rows(world.gold(), "SELECT latency_ms FROM canary")
        traffic.stop()
        missing = watch.wait_empty(timeout=ARRIVAL_SECONDS)
    counted = [(at, took) for at, took in watch.latencies if at - took >= began]
    return counted, missing, int(canary[0][0]) if canary else None


def table(seconds: Sequence[float], options: argparse.Namespace, missing: int, canary: int | None) -> Section:
    """Return the figures."""
    names = {1.0: "max"}
    shown = [
        [
            names.get(share, f"p{share * 100:g}"),
            f"{percentile(seconds, share) * 1000:.0f}",
            f"< {BARS[share] * 1000:.0f}" if share in BARS else "",
        ]
        for share in QUANTILES
    ]
    notes = [
        f"{len(seconds):,} events at {options.rate:g}/s, {options.batch} a request, after {WARM_SECONDS:g} s; {missing} not found.",
        "One kind node with Kafka, registry, MySQL, operator, 2 collectors, 2 workers and a sink; the load is on the same cores.",
        f"From the answer's receipt by the client to that of a SELECT made every {POLL_SECONDS * 1000:.0f} ms.",
    ]
    notes += [] if canary is None else [f"A canary of the same time says {canary} ms, from before the acknowledgement."]
    return Section("Latency", ("Quantile", "Milliseconds", "Bar"), shown, notes)


def figure(latencies: Sequence[tuple[float, float]]) -> Figure:
    """Draw the latency of events over the run."""
    plot = Figure(figsize=(7, 3.5))
    axes = plot.subplots()
    acknowledged = [at - took for at, took in latencies]
    began = min(acknowledged)
    axes.plot(
        [at - began for at in acknowledged],
        [took * 1000 for _, took in latencies],
        ".",
        markersize=1,
        rasterized=True,
    )
    axes.set_xlabel("second of the run")
    axes.set_ylabel("ms from 202 to SELECT")
    axes.set_ylim(bottom=0)
    return plot


if __name__ == "__main__":
    sys.exit(main())
