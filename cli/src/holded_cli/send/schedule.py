"""When each request of a run is due. Pure: times are seconds since the run's start."""

import math
import re
from dataclasses import dataclass

LATE_SECONDS = 0.1
"""A request that starts so much after its time is late; less is the jitter of any scheduler."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")


@dataclass(frozen=True)
class Schedule:
    """An open loop at a steady rate, or a closed loop without a rate: a request starts as soon as a place is free.

    The times of an open loop do not depend on the answers: a slow collector makes requests late, never rarer.
    """

    batch: int
    """Events per request."""
    rate: float | None = None
    """Events per second."""
    duration: float | None = None
    """Seconds after which no request starts."""

    @property
    def offered(self) -> int | None:
        """Events that are due within the duration at this rate; None when one of them is not set."""
        if self.rate is None or self.duration is None:
            return None
        return math.ceil(round(self.rate * self.duration, 9))  # 0.1 * 30 is a little more than 3 in doubles

    def due(self, number: int) -> float:
        """Return when the request with this number, counted from 0, should start; 0 in a closed loop."""
        return 0.0 if self.rate is None else number * self.batch / self.rate

    def lateness(self, number: int, started: float) -> float:
        """Return how long after its time a request started; 0 in a closed loop, which has no times."""
        return 0.0 if self.rate is None else max(0.0, started - self.due(number))

    def over(self, elapsed: float) -> bool:
        """Tell whether the run's duration has passed."""
        return self.duration is not None and elapsed >= self.duration


def parse_seconds(text: str) -> float:
    """Return a duration in seconds: a number with ms, s, m or h, or without a unit for seconds.

    Raises
    ------
    ValueError
        If it is written otherwise.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration; write 500ms, 30s, 5m or 1h")
    return float(found[1]) * _UNITS[found[2]]
