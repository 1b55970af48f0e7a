"""What became of the events of a run: counts and percentiles. Pure."""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from holded_cli.samples import Kind
from holded_cli.send.answers import Answer
from holded_cli.send.schedule import LATE_SECONDS

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "max": 1.0}


@dataclass
class Tally:
    """The events sent so far."""

    events: int = 0
    """Events in answered requests."""
    batches: int = 0
    """Answered requests."""
    accepted: int = 0
    rejected: int = 0
    rejected_by_field: Counter[str] = field(default_factory=Counter)
    kinds: Counter[Kind] = field(default_factory=Counter)
    """Generated events in answered requests, by what must become of them."""
    retries: Counter[str] = field(default_factory=Counter)
    """Requests repeated, by cause: 429, 503 or connection."""
    in_flight: int = 0
    """Events in requests that have been started and not answered; what is left of them at the end has no answer."""
    latencies: array[float] = field(default_factory=lambda: array("d"))
    """Seconds from the last attempt of a request to its answer, one per answered request."""
    delays: array[float] = field(default_factory=lambda: array("d"))
    """Seconds from when a request was due, or first sent where there is no rate, to its answer: retries included."""
    late: int = 0
    """Requests that started noticeably after their time."""
    max_lateness: float = 0.0
    """Seconds that the latest request started after its time."""
    seconds: float = 0.0
    """Time from the first request to the end of the run, so far."""
    failure: str | None = None
    """Why sending ended early; None when every request was answered."""
    interrupted: bool = False
    """Whether sending was asked to end before all was sent."""

    @property
    def rate(self) -> float:
        """Answered events per second."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def repeated(self) -> int:
        """Requests repeated for any cause."""
        return self.retries.total()

    def started(self, events: int, lateness: float) -> None:
        """Count a request that starts, so many seconds after its time."""
        self.in_flight += events
        self.late += lateness > LATE_SECONDS
        self.max_lateness = max(self.max_lateness, lateness)

    def answered(self, answer: Answer, kinds: Sequence[Kind | None], *, latency: float, delay: float) -> None:
        """Count a request that was answered; kinds are those of its events."""
        self.in_flight -= len(kinds)
        self.events += len(kinds)
        self.batches += 1
        self.accepted += answer.accepted
        self.rejected += answer.rejected
        for verdict in answer.results if answer.rejected else ():
            if verdict.status == "rejected":
                self.rejected_by_field.update(verdict.fields)
        self.kinds.update(kind for kind in kinds if kind is not None)
        self.latencies.append(latency)
        self.delays.append(delay)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers for programs; latencies in milliseconds, rates in events per second."""
        return {
            "events": self.events,
            "batches": self.batches,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "rejected_by_field": dict(sorted(self.rejected_by_field.items())),
            "kinds": {kind.value: self.kinds[kind] for kind in Kind} if self.kinds else None,
            "unanswered": self.in_flight,
            "retries": self.repeated,
            "retries_by_cause": dict(sorted(self.retries.items())),
            "latency_ms": percentiles_ms(self.latencies),
            "time_to_ack_ms": percentiles_ms(self.delays),
            "late_batches": self.late,
            "max_lateness_ms": round(self.max_lateness * 1000, 2),
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 1),
            "failure": self.failure,
            "interrupted": self.interrupted,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed (nearest rank).

    Raises
    ------
    ValueError
        If there are no values.
    """
    return _ranked(sorted(values), share)


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p90, p99 and the maximum of times in seconds as milliseconds; None where there are no times."""
    ordered = sorted(seconds)
    return {name: round(_ranked(ordered, share) * 1000, 2) if ordered else None for name, share in PERCENTILES.items()}


def _ranked(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        raise ValueError("no values, no percentile")
    rank = math.ceil(round(share * len(ordered), 9))  # 0.07 * 100 is a little more than 7 in doubles
    return ordered[max(0, rank - 1)]
