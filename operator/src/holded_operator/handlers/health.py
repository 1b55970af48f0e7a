"""What the operator tells about itself: metrics, liveness, readiness."""

import asyncio
import threading
import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

from holded_contracts.io.probes import Heartbeat
from holded_operator.leadership import Candidate

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
LEADER = Gauge("holded_operator_leader", "1 in the replica that reconciles, 0 in one that stands by.")
REVIEWS = Counter("holded_operator_admission_reviews_total", "Answers of the admission webhook.", ["verdict"])
CERTIFICATE_EXPIRY = Gauge(
    "holded_operator_admission_certificate_expiry_timestamp_seconds", "End of the certificate that is served."
)

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


class State:
    """Readiness: a replica that stands by is ready to lead, and to serve the admission webhook."""

    def __init__(
        self, candidate: Candidate | None, listed: asyncio.Event, admission: threading.Event | None = None
    ) -> None:
        self._candidate = candidate
        self._listed = listed
        self._admission = admission

    def unready(self) -> str | None:
        """Return why this replica is not ready, None when it is."""
        if self._admission is not None and not self._admission.is_set():
            return "the admission webhook is not served yet"
        if self._candidate is None or self._candidate.leads():
            return None if self._listed.is_set() else "the resources have not been listed yet"
        return None if self._candidate.holder else "nobody leads yet"

    def describe(self) -> str:
        """Return what a ready replica does."""
        if self._candidate is None or self._candidate.leads():
            return "leading"
        return f"standing by: {self._candidate.holder} leads"
