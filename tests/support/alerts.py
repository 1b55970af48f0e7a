"""Trying the chart's alerts with promtool: series as the services' pods export them, and what should fire when."""

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from holded_sink import metrics as sink_metrics

CANARY_SENT = "holded_sink_canary_sent_timestamp_seconds"
CANARY_PERIOD = "holded_collector_canary_period_seconds"
STARTED = "process_start_time_seconds"
END_TO_END = "holded_sink_end_to_end_seconds_bucket"
BOUNDS = [sample.labels["le"] for sample in next(iter(sink_metrics.END_TO_END.collect())).samples if sample.labels]

MINUTE, HOUR = 60, 3600
STEP = 30
"""Seconds between two scrapes and between two evaluations: the Prometheus operator's default."""
# promtool's clock begins at 0, the services' ones do not: 0 of theirs is half a century before.
NEVER = -1_700_000_000
LONG_AGO = -24 * HOUR
ALWAYS = range(24 * HOUR)

type At = Callable[[int], float | None]
"""A metric's value at a second; None while its pod is not scraped."""
type Commits = Callable[[int], list[tuple[int, float]]]
"""How many events were committed since the last scrape, and the seconds that they took."""


@dataclass(frozen=True)
class Series:
    """A series that Prometheus scrapes."""

    name: str
    labels: dict[str, str]
    at: At

    def sampled(self, seconds: range) -> dict[str, str]:
        labels = ",".join(f'{label}="{value}"' for label, value in self.labels.items())
        # Prometheus marks a series stale with the first scrape that lacks it.
        values = ("stale" if value is None else str(value) for value in map(self.at, seconds))
        return {"series": f"{self.name}{{{labels}}}", "values": " ".join(values)}


@dataclass(frozen=True)
class Pod:
    """A pod by the labels that its PodMonitor gives to all its series."""

    component: str
    number: int = 0
    namespace: str = "shop"
    pipeline: str = "orders"

    def exports(self, name: str, at: At, **own: str) -> Series:
        labels = {
            "namespace": self.namespace,
            "pod": f"{self.pipeline}-{self.component}-{self.number}",
            "app_kubernetes_io_instance": self.pipeline,
            "app_kubernetes_io_component": self.component,
        }
        return Series(name, labels | own, at)


COLLECTOR, SINK = Pod("collector"), Pod("sink")


def collector(
    pod: Pod = COLLECTOR, *, period: float | None = 30, began: float | None = LONG_AGO, seen: range = ALWAYS
) -> list[Series]:
    """A collector's part in canaries; None: it lacks this metric."""
    exported = {CANARY_PERIOD: period, STARTED: began}
    return [pod.exports(name, scraped(value, seen)) for name, value in exported.items() if value is not None]


def scraped(value: float, seen: range) -> At:
    return lambda now: value if now in seen else None


def sink(newest: At, pod: Pod = SINK) -> list[Series]:
    """A sink's part in them. It has always just started, so that its start is not taken for a collector's."""
    return [pod.exports(CANARY_SENT, newest), pod.exports(STARTED, lambda now: now)]


def latencies(commits: Commits, pod: Pod = SINK, *, restart: int = 0) -> list[Series]:
    """The histogram of a sink; with a restart it begins at 0 again."""

    def within(bound: float) -> At:
        def count(now: int) -> float:
            since = range(restart if now >= restart else 0, now + 1, STEP)
            return sum(events for then in since for events, seconds in commits(then) if seconds <= bound)

        return count

    return [pod.exports(END_TO_END, within(float(le)), le=le) for le in BOUNDS]


def stored(*, every: int = 30, stalled: range = range(0), seen: range = ALWAYS) -> At:
    """When the newest canary in MySQL was sent; while they are stalled none arrives."""

    def newest(now: int) -> float | None:
        last = stalled.start if now in stalled else now
        return last // every * every if now in seen else None

    return newest


@dataclass(frozen=True)
class Fires:
    """An alert as a user sees it, and when."""

    name: str
    during: range
    severity: str
    summary: str
    description: str
    namespace: str
    pipeline: str

    def as_expected(self) -> dict[str, Any]:
        return {
            "exp_labels": {
                "severity": self.severity,
                "namespace": self.namespace,
                "app_kubernetes_io_instance": self.pipeline,
            },
            "exp_annotations": {
                "summary": f"{self.summary}: {self.namespace}/{self.pipeline}",
                "description": self.description,
            },
        }


def late(during: range, *, severity: str = "critical", namespace: str = "shop", pipeline: str = "orders") -> Fires:
    return Fires(
        "HoldedCanaryLate",
        during,
        severity,
        "No event of its own has arrived in MySQL",
        "Collectors send canaries, and none has been stored for three periods: events may be held up, too. See "
        "`kubectl holded why`, the condition EventsFlow, and where lag and ledger stand still.",
        namespace,
        pipeline,
    )


def slow(
    during: range, *, above: str = "3", severity: str = "warning", namespace: str = "shop", pipeline: str = "orders"
) -> Fires:
    return Fires(
        "HoldedEndToEndLatencyHigh",
        during,
        severity,
        "Events take long to MySQL",
        f"One event of a hundred has taken more than {above} s from the collector to its commit in the last five "
        "minutes. A backlog that is being worked off looks the same: see `status.lag`.",
        namespace,
        pipeline,
    )


ALERTS = {late(range(0)).name, slow(range(0)).name}


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:5000]
    return done.stdout


class Rules:
    """The rendered rules as a file of Prometheus' own."""

    def __init__(self, manifests: list[dict[str, Any]], folder: Path) -> None:
        (rule,) = (manifest for manifest in manifests if manifest["kind"] == "PrometheusRule")
        self._folder = folder
        self.groups = rule["spec"]["groups"]
        self.path = folder / "rules.yaml"
        self.path.write_text(yaml.safe_dump({"groups": self.groups}))

    def judge(
        self,
        *pods: list[Series],
        fires: Iterable[Fires] = (),
        until: int = HOUR,
        step: int = STEP,
        unasked: range = range(0),
    ) -> None:
        """Run the rules, and ask at each step, but the unasked ones, that just these alerts fire then."""
        looks = range(0, until, step)
        expected = [
            {
                "eval_time": f"{now}s",
                "alertname": name,
                "exp_alerts": [one.as_expected() for one in fires if one.name == name and now in one.during],
            }
            for now in looks
            if now not in unasked
            for name in ALERTS
        ]
        test = {
            "interval": f"{step}s",
            "input_series": [series.sampled(looks) for series in chain(*pods)],
            "alert_rule_test": expected,
        }
        path = self._folder / "test.yaml"
        path.write_text(
            yaml.safe_dump({"rule_files": [self.path.name], "evaluation_interval": f"{step}s", "tests": [test]})
        )
        promtool("test", "rules", path)
