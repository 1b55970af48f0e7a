"""What the operator tells about itself: metrics, liveness, readiness."""

import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

from holded_contracts.io.probes import Heartbeat

PASSES = Counter("holded_operator_reconciles_total", "Passes by how they ended.", ["verdict"])
PASS_SECONDS = Histogram(
    "holded_operator_reconcile_seconds",
    "Duration of a pass.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
WAITING_SECONDS = Histogram(
    "holded_operator_queue_seconds",
    "Time a due pass waited for a free thread.",
    buckets=(0.001, 0.01, 0.1, 1, 5, 30, 120),
)
ERRORS = Counter("holded_operator_gateway_errors_total", "Failed steps by outside system.", ["system", "reason"])
PIPELINES = Gauge("holded_operator_pipelines", "Resources that are looked after.")
MISSED = Counter("holded_operator_missed_events_total", "Resources found by listing that no watch event had told of.")

PASS_LIMIT_SECONDS = 780.0
"""Longest time a pass may take: one statement of a migration (600 s) and all other time-outs together."""
MAX_SILENCE_SECONDS = 120.0
"""Age of the heartbeat at which the process is restarted."""


class Liveness(Heartbeat):
    """Age of the operator's progress.

    The event loop beats. On top of that, every running pass must end: when none has ended for `PASS_LIMIT_SECONDS`
    while one was running all the time, what is beyond that limit counts as silence, too.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._now = clock
        self._running: dict[object, float] = {}
        self._last_end = clock()

    def begin(self, key: object) -> None:
        """Note that a pass begins."""
        self._running[key] = self._now()

    def end(self, key: object) -> None:
        """Note that it has ended, well or not."""
        self._running.pop(key, None)
        self._last_end = self._now()

    def age(self) -> float:
        """Return the seconds of silence."""
        silence = super().age()
        started = list(self._running.values())
        if not started:
            return silence
        stuck = self._now() - max(min(started), self._last_end)
        return max(silence, stuck - PASS_LIMIT_SECONDS)
