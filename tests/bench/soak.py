"""The whole pipeline at a steady rate for a long time: `make soak`, `make soak MINUTES=5 RATE=300`.

On the three-node cluster of `make chaos`, without faults. Memory of each of our pods (the kubelet's working set), events
that wait between acknowledgement and gold, and how long each event takes from its 202 to a SELECT that has it. Ends with
the oracles that need no payload; the exit code is 1 when one is violated, latency misses its bar, or memory grows.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from holded_cli.send.tally import percentile
from tests.bench.report import Section, publish
from tests.chaos import oracles
from tests.chaos.run import TESTBED, installed
from tests.chaos.traffic import Load, Traffic
from tests.chaos.watch import Watch
from tests.chaos.world import COMPONENTS, World
from tests.support.nodes import of_cluster
from tests.support.stack import OPERATOR_NAMESPACE

LOOK_SECONDS = 0.1
SAMPLE_SECONDS = 10.0
P50_BAR_SECONDS, P99_BAR_SECONDS = 1.0, 3.0
"""From 202 to a SELECT."""
GROWTH_BAR = 1.15
"""Mean memory of the last third over that of the second; the first is warming up."""
ROWS = 10
"""Lines of the table: the soak's time is cut into so many parts."""
PARTS = (*COMPONENTS, "operator")


@dataclass(frozen=True)
class Usage:
    """What our pods took at one time."""

    at: float
    """time.monotonic()"""
    mib: dict[str, float]
    """Working set of the largest pod of each part."""


@dataclass(frozen=True)
class Soak:
    """What was measured."""

    began: float
    ended: float
    usage: list[Usage]
    watch: Watch

    def memory(self, part: str, first: float, last: float) -> list[float]:
        """Return the memory of a part within a time, in MiB."""
        return [usage.mib[part] for usage in self.usage if first <= usage.at < last and part in usage.mib]

    def latencies(self, first: float, last: float) -> list[float]:
        """Return the latencies of events that arrived within a time, in seconds."""
        return [seconds for at, seconds in self.watch.latencies if first <= at < last]

    def waiting(self, first: float, last: float) -> int:
        """Return the most events that waited at a time."""
        return max((sample.waiting for sample in self.watch.samples if first <= sample.at < last), default=0)

    def growth(self, part: str) -> float:
        """Return the mean memory of the last third over that of the second."""
        third = (self.ended - self.began) / 3
        second = self.memory(part, self.began + third, self.began + 2 * third)
        last = self.memory(part, self.began + 2 * third, self.ended)
        return statistics.fmean(last) / statistics.fmean(second)


def main() -> int:
    """Send, sample, check, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=500, help="events a second")
    parser.add_argument("--standing", action="store_true", help="the installation stands since a run with --keep")
    parser.add_argument("--keep", action="store_true", help="leave the cluster standing at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        world = World(TESTBED.stack(kubeconfig) if options.standing else installed(kubeconfig), name="soak")
        world.install()
        load = Load(rate=options.rate, batch=max(1, round(options.rate / 20)))
        record = Path(folder) / "acknowledged.jsonl"
        with (
            Traffic(world.url, load, record, payloads=False) as traffic,
            Watch(world.gold, traffic.notebook, every=LOOK_SECONDS) as watch,
        ):
            soak = _soak(world, watch, options.minutes * 60)
        findings = oracles.check_accounts(world, traffic.notebook)
        world.remove()
    if not options.keep:
        TESTBED.step("clean")
    latencies = soak.latencies(soak.began, soak.ended)
    p50, p99 = percentile(latencies, 0.50), percentile(latencies, 0.99)
    accounts = _accounts(traffic, findings)
    bars = _bars(soak, p50, p99)
    publish(
        "soak",
        "The whole pipeline over time",
        "make soak",
        [_over_time(soak), accounts, bars],
        {"memory": _plot_memory(soak), "latency": _plot_latency(soak)},
    )
    return 0 if findings.clean and all(row[-1] == "met" for row in bars.rows) else 1


def _soak(world: World, watch: Watch, seconds: float) -> Soak:
    watch.wait_calm(time.monotonic(), timeout=90)
    began = time.monotonic()
    usage: list[Usage] = []
    while (now := time.monotonic()) < began + seconds:
        usage.append(_usage(world))
        time.sleep(max(0.0, min(now + SAMPLE_SECONDS, began + seconds) - time.monotonic()))
    return Soak(began, time.monotonic(), usage, watch)


def _usage(world: World) -> Usage:
    """Ask each kubelet what the pods on its node take."""
    found: dict[str, float] = {}
    for node in of_cluster(world.stack.cluster.name):
        summary = json.loads(world.stack.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
        for pod in summary["pods"]:
            part = _part(world, pod["podRef"])
            mib = pod.get("memory", {}).get("workingSetBytes", 0) / 2**20
            if part and mib:
                found[part] = max(mib, found.get(part, 0.0))
    return Usage(time.monotonic(), found)


def _part(world: World, pod: dict[str, str]) -> str | None:
    if pod["namespace"] == OPERATOR_NAMESPACE:
        return "operator"
    return next((part for part in COMPONENTS if pod["name"].startswith(f"{world.name}-{part}-")), None)


def _over_time(soak: Soak) -> Section:
    step = (soak.ended - soak.began) / ROWS
    rows = []
    for number in range(ROWS):
        first, last = soak.began + number * step, soak.began + (number + 1) * step
        latencies = soak.latencies(first, last)
        memory = [max(soak.memory(part, first, last), default=0.0) for part in PARTS]
        rows.append(
            [
                f"{(last - soak.began) / 60:.1f}",
                f"{len(latencies) / step:,.0f}",
                *(f"{percentile(latencies, share):.2f}" if latencies else "—" for share in (0.5, 0.99, 1.0)),
                f"{soak.waiting(first, last):,}",
                *(f"{mib:.0f}" for mib in memory),
            ]
        )
    columns = ("Until (min)", "Events/s to gold", "p50 (s)", "p99 (s)", "Max (s)", "Waiting at most")
    notes = [
        f"Latency: from the 202 to a SELECT that has the event, looked for every {LOOK_SECONDS:g} s.",
        "Waiting: events acknowledged and not in gold yet. Memory: working set of the largest pod, in MiB.",
    ]
    return Section("Over time", (*columns, *(f"{part.capitalize()} (MiB)" for part in PARTS)), rows, notes)


def _accounts(traffic: Traffic, findings: oracles.Findings) -> Section:
    row = [f"{len(traffic.notebook.sent):,}", str(findings.lost), str(findings.duplicated)]
    row += [str(findings.dead_by_mistake), "; ".join(findings.others) or "hold"]
    columns = ("Acknowledged", "Lost", "Duplicated", "Dead by mistake", "Other oracles")
    return Section("Accounts", columns, [row])


def _bars(soak: Soak, p50: float, p99: float) -> Section:
    measured = [("p50 (s)", p50, P50_BAR_SECONDS), ("p99 (s)", p99, P99_BAR_SECONDS)]
    measured += [(f"growth of {part}", soak.growth(part), GROWTH_BAR) for part in PARTS]
    rows = [[name, f"{value:.2f}", f"{bar:g}", "met" if value < bar else "missed"] for name, value, bar in measured]
    note = "Growth: mean memory of the last third of the time over that of the second."
    return Section("Bars", ("What", "Measured", "Bar", ""), rows, [note])


def _plot_memory(soak: Soak) -> Figure:
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    for part in PARTS:
        points = [(usage.at, usage.mib[part]) for usage in soak.usage if part in usage.mib]
        axes.plot([(at - soak.began) / 60 for at, _ in points], [mib for _, mib in points], label=part)
    axes.set(xlabel="minutes", ylabel="working set, MiB", ylim=(0, None))
    axes.legend()
    return figure


def _plot_latency(soak: Soak) -> Figure:
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    starts = [soak.began + number * SAMPLE_SECONDS for number in range(int((soak.ended - soak.began) / SAMPLE_SECONDS))]
    windows = [(start, soak.latencies(start, start + SAMPLE_SECONDS)) for start in starts]
    for share in (0.5, 0.99):
        points = [((start - soak.began) / 60, percentile(found, share)) for start, found in windows if found]
        axes.plot([minute for minute, _ in points], [seconds for _, seconds in points], label=f"p{share * 100:.0f}")
    axes.set(xlabel="minutes", ylabel="seconds from 202 to SELECT", ylim=(0, None))
    axes.legend()
    return figure


if __name__ == "__main__":
    sys.exit(main())
