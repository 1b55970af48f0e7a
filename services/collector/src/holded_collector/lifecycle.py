"""Where the process is between start and end, and how the time of its end is shared out."""

from dataclasses import dataclass

MAX_DRAIN_SECONDS = 5.0
MAX_FLUSH_SECONDS = 2.0


class Lifecycle:
    """Shared by the server, which learns of SIGTERM, and the handlers, which tell of it."""

    def __init__(self) -> None:
        self.draining = False
        """True from SIGTERM on: /ready says no, /collect still works."""


@dataclass(frozen=True)
class ShutdownPlan:
    """Seconds for each step after SIGTERM; together they stay below the grace."""

    drain: float
    """Not ready but serving: until Kubernetes has taken the pod from its Services, requests keep coming."""
    finish: int
    """Waiting for requests in flight, after the port is closed."""
    flush: float
    """Waiting for the producer."""


def plan_shutdown(grace_seconds: float) -> ShutdownPlan:
    """Share out the grace: a fifth for draining, a tenth for flushing, both bounded, the rest for requests."""
    drain = min(MAX_DRAIN_SECONDS, grace_seconds / 5)
    flush = min(MAX_FLUSH_SECONDS, grace_seconds / 10)
    return ShutdownPlan(drain=drain, finish=max(1, int(grace_seconds - drain - flush - 1)), flush=flush)
