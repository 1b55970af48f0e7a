"""What an event takes from its 202 to a SELECT that finds it, in kind: `make bench-latency`.

    python -m tests.bench.latency [--rate 300] [--seconds 120] [--batch 10]

The whole installation on one node: events at a steady rate, the time of each acknowledgement, and a connection of its own
that asks MySQL twenty times a second for every event that was acknowledged and not seen yet. What the asking itself takes is
in the figures. HOLDED_CLUSTER names another cluster than `holded-latency`; one that stands already is used and left standing.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

from matplotlib.figure import Figure

from holded_cli.send.mixture import Shares
from holded_contracts.settings import MySQLSettings
from tests.bench.report import Section, publish
from tests.chaos.traffic import Load, Notebook, Traffic
from tests.chaos.world import World
from tests.support.gold import gold, rows
from tests.support.stack import Testbed
from tests.support.waiting import wait_until

POLL_SECONDS = 0.05
WARM_SECONDS = 10.0
"""Not counted: connections, caches and compiled code come to be."""
ARRIVAL_SECONDS = 60.0
BARS = {0.5: 1.0, 0.99: 3.0}
"""Seconds that a quantile may take at 300 events/s."""
QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)
_PER_QUERY = 2000


@dataclass(frozen=True)
class Arrival:
    """One event that a SELECT has found; times are of time.monotonic."""

    acknowledged: float
    seconds: float
    """From the acknowledgement until the answer of the SELECT was there."""


class Poller:
    """Asks for acknowledged events until they have come, on a thread."""

    def __init__(self, settings: MySQLSettings, notebook: Notebook) -> None:
        self.arrivals: list[Arrival] = []
        self.waiting: dict[str, float] = {}
        self._settings = settings
        self._notebook = notebook
        self._read = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Wait until all have come, for a while; what has not stays in `waiting`."""
        try:
            wait_until(
                lambda: self._read == len(self._notebook.acknowledged) and not self.waiting,
                timeout=ARRIVAL_SECONDS,
                interval=POLL_SECONDS,
                what="every event is found",
            )
        finally:
            self._stop.set()
            self._thread.join(30)

    def _run(self) -> None:
        with gold(self._settings) as cursor:
            while not self._stop.wait(POLL_SECONDS):
                known = len(self._notebook.acknowledged)
                for at, event in self._notebook.acknowledged[self._read : known]:
                    self.waiting[event] = at
                self._read = known
                for some in batched(list(self.waiting), _PER_QUERY, strict=False):
                    places = ", ".join(["UUID_TO_BIN(%s)"] * len(some))
                    cursor.execute(f"SELECT BIN_TO_UUID(event_id) FROM events WHERE event_id IN ({places})", some)
                    found = [event for (event,) in cursor.fetchall()]
                    now = time.monotonic()
                    self.arrivals += [Arrival(at := self.waiting.pop(event), now - at) for event in found]


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
            arrivals, missing, canary = measured(world, options, Path(folder) / "record")
        finally:
            world.remove()
    if testbed.cluster not in clusters:
        testbed.step("clean")
    seconds = sorted(arrival.seconds for arrival in arrivals)
    publish(
        "latency",
        "From the 202 to a SELECT",
        "make bench-latency",
        [table(seconds, options, missing, canary)],
        {"distribution": figure(arrivals)},
    )
    return 0 if not missing and all(quantile(seconds, at) < bar for at, bar in BARS.items()) else 1


def measured(world: World, options: argparse.Namespace, record: Path) -> tuple[list[Arrival], int, int | None]:
    """Return what arrived after the warm-up, how many did not, and the newest canary's latency in milliseconds."""
    load = Load(rate=options.rate, batch=options.batch, shares=Shares.of())
    with Traffic(world.url, load, record) as traffic:
        poller = Poller(world.gold(), traffic.notebook)
        poller.start()
        time.sleep(WARM_SECONDS)
        began = time.monotonic()
        time.sleep(options.seconds)
        canary = rows(world.gold(), "SELECT latency_ms FROM canary")
        traffic.stop()
        try:
            poller.finish()
        except AssertionError as error:
            sys.stderr.write(f"{error}\n")
    counted = [arrival for arrival in poller.arrivals if arrival.acknowledged >= began]
    return counted, len(poller.waiting), int(canary[0][0]) if canary else None


def quantile(ascending: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def table(seconds: Sequence[float], options: argparse.Namespace, missing: int, canary: int | None) -> Section:
    """Return the figures."""
    names = {1.0: "max"}
    shown = [
        [
            names.get(share, f"p{share * 100:g}"),
            f"{quantile(seconds, share) * 1000:.0f}",
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


def figure(arrivals: Sequence[Arrival]) -> Figure:
    """Draw the latency of events over the run."""
    plot = Figure(figsize=(7, 3.5))
    axes = plot.subplots()
    began = min(arrival.acknowledged for arrival in arrivals)
    axes.plot(
        [arrival.acknowledged - began for arrival in arrivals],
        [arrival.seconds * 1000 for arrival in arrivals],
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
