"""What canaries tell: whether events arrive, and how long they take. Pure.

A status that changed with every canary would be written for ever while nothing happens. So a latency stands until one
is clearly another, and the condition has no numbers in it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from holded_contracts.canary import LATE_PERIODS
from holded_operator.api import durations
from holded_operator.api.v1alpha1 import HoldedPipelineSpec
from holded_operator.gateways.interfaces import CanarySeen

EVENTS_FLOW: Final = "EventsFlow"
"""Condition beside those of the parts. Ready does not mind it: it is about events, and no pod is replaced for it."""
PENDING: Final = "CanaryPending"
"""Reason while there is no telling yet."""

FAST_MILLISECONDS: Final = 1000
"""Latencies below it are all as they should be (the bar for the median of events), whatever they are."""
_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """What the database said in this pass."""

    newest: CanarySeen | None
    """None before the first canary."""


class Verdict(NamedTuple):
    """What the condition says."""

    ok: bool | None
    reason: str
    message: str


def events_flow(spec: HoldedPipelineSpec, reading: Reading, now: datetime, *, ready_since: datetime | None) -> Verdict:
    """Return whether canaries arrive.

    A pipeline that has just become Ready (None: it is not) has as long as one whose canaries have just stopped: after a
    suspension the newest canary is old, and nothing is wrong.
    """
    if spec.suspend:
        return Verdict(None, "Suspended", "spec.suspend is true: no canaries are sent")
    if spec.collector.autoscaling is None and spec.collector.replicas == 0:
        return Verdict(None, PENDING, "collector.replicas is 0: no canaries are sent")
    period = spec.monitoring.canary.period
    patience = timedelta(seconds=LATE_PERIODS * durations.seconds(period))
    newest = reading.newest
    if newest is not None and now - newest.sent_at <= patience:
        return Verdict(ok=True, reason="CanariesArrive", message="Events of the pipeline's own arrive in MySQL")
    if ready_since is None or now - ready_since <= patience:
        return Verdict(None, PENDING, "Waiting for the first canary of a pipeline that is Ready")
    last = "none has ever arrived" if newest is None else f"the last one was sent at {_text(newest.sent_at)}"
    return Verdict(
        ok=False,
        reason="CanaryLate",
        message=f"No canary has arrived in MySQL for {LATE_PERIODS} times {period}, {last}; events may be held up, too",
    )


def latency_status(before: dict[str, Any] | None, newest: CanarySeen, now: datetime) -> dict[str, Any]:
    """Return the latency's status: the one before as long as the newest canary is not clearly faster or slower."""
    # Two pods' clocks: where nearly no time has passed, it may seem to have gone backwards.
    found = max(0, newest.milliseconds)
    if before is not None and _alike(before["canaryMilliseconds"], found):
        return before
    return {"canaryMilliseconds": found, "at": _text(now)}


def _alike(one: int, other: int) -> bool:
    return max(one, other) < FAST_MILLISECONDS or max(one, other) <= _FACTOR * min(one, other)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
