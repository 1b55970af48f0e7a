"""What keeps a pipeline from Ready and what to do about it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from holded_cli.cluster.pods import ComponentState
from holded_cli.cluster.status import is_ready, ready_condition, status_of
from holded_operator.api.v1alpha1 import Condition
from holded_operator.gateways.interfaces import Body
from holded_operator.latency import PENDING
from holded_operator.remedies import remedy
from holded_operator.status import READY

EVENTS_SHOWN = 10
CONSEQUENCES = frozenset({"WaitingForPrerequisites", "Pending"})
"""Reasons that another condition is the cause of: told last."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    what: str
    """The condition, the pod's component or the operator."""
    reason: str
    message: str
    means: str
    do: str


@dataclass(frozen=True)
class Explanation:
    """All that is known of a pipeline's state; Ready has no findings, but may have Events."""

    name: str
    ready: bool
    findings: tuple[Finding, ...]
    events: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as a document."""
        findings = [
            {"what": item.what, "reason": item.reason, "message": item.message, "means": item.means, "do": item.do}
            for item in self.findings
        ]
        return {"name": self.name, "ready": self.ready, "findings": findings, "events": list(self.events)}


def explain(
    body: Body, components: Sequence[ComponentState], children: Sequence[Body], events: Sequence[Body]
) -> Explanation:
    """Return the causes first, then what follows from them."""
    found = [*_unseen(body), *_conditions(body)]
    told = "".join(finding.message for finding in found)
    found += [finding for finding in _pods(components) if finding.message not in told]
    found.sort(key=lambda finding: finding.reason in CONSEQUENCES)
    owned = {str(item["metadata"]["uid"]) for item in (body, *children)}
    owned |= {str(pod["metadata"].get("uid")) for state in components for pod in state.pods}
    return Explanation(
        name=f"{body['metadata']['namespace']}/{body['metadata']['name']}",
        ready=is_ready(body),
        findings=tuple(found),
        events=tuple(_events(events, owned)),
    )


def render(explanation: Explanation) -> RenderableType:
    """Return the explanation for people."""
    head = f"{explanation.name} is {'Ready' if explanation.ready else 'not Ready'}"
    lines: list[RenderableType] = [Text(head, style="bold")]
    for item in explanation.findings:
        lines.append(Text(f"{item.what}: {item.reason}", style="bold red"))
        lines += [
            Padding(Text(f"{label}: {text}"), (0, 0, 0, 2))
            for label, text in (("message", item.message), ("means", item.means), ("do", item.do))
            if text
        ]
    if explanation.events:
        lines.append(Text("Warning Events, the newest first", style="bold"))
        lines += [Padding(Text(line), (0, 0, 0, 2)) for line in explanation.events]
    return Group(*lines)


def related(events: Sequence[Body], uids: set[str]) -> list[Body]:
    """Return the Events about these objects, the newest first."""
    mine = [event for event in events if event["involvedObject"].get("uid") in uids]
    return sorted(mine, key=_moment, reverse=True)


def _unseen(body: Body) -> Iterator[Finding]:
    status, generation = status_of(body), body["metadata"]["generation"]
    if status.observed_generation == generation:
        return
    seen = "nothing of it yet" if status.observed_generation is None else f"generation {status.observed_generation}"
    yield Finding(
        what="operator",
        reason="NotObserved",
        message=f"the resource is at generation {generation}, the operator has seen {seen}",
        means="the operator has not come to the newest spec; what follows, if anything, is about an older one",
        do="wait a moment; else see that the operator runs, and that it serves this namespace (`watchNamespaces`)",
    )


def _conditions(body: Body) -> Iterator[Finding]:
    status = status_of(body)
    parts = [entry for entry in status.conditions if entry.type != READY and entry.status != "True"]
    parts = [entry for entry in parts if entry.reason != PENDING]  # nothing is known to be wrong
    ready = ready_condition(status)
    # Ready repeats what the first failing part says; only what no part says (a bad spec, a deletion) is news.
    if ready is not None and ready.status != "True" and ready.reason not in {entry.reason for entry in parts}:
        yield _finding(ready)
    for entry in parts:
        yield _finding(entry)


def _finding(condition: Condition) -> Finding:
    known = remedy(condition.reason)
    return Finding(
        what=condition.type,
        reason=condition.reason,
        message=condition.message,
        means="" if known is None else known.means,
        do="" if known is None else known.do,
    )


def _pods(components: Sequence[ComponentState]) -> Iterator[Finding]:
    """Yield pods in trouble that no condition tells of: the operator looks only where something is amiss."""
    known = remedy("PodsFailing")
    for state in components:
        if state.trouble is not None and known is not None:
            yield Finding(f"{state.component.value} pods", "PodsFailing", state.trouble, known.means, known.do)


def _events(events: Sequence[Body], uids: set[str]) -> Iterator[str]:
    warnings = [event for event in related(events, uids) if event.get("type") == "Warning"]
    for event in warnings[:EVENTS_SHOWN]:
        about = event["involvedObject"]
        count = f" ({event['count']} times)" if (event.get("count") or 1) > 1 else ""
        text = f"{about['kind']} {about['name']}: {event.get('reason')}: {event.get('message')}{count}"
        yield f"{_moment(event)} {text}"


def _moment(event: Body) -> str:
    """Return when an Event last happened: the old and the new way of writing them differ in where they say it."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((time for time in times if time), event["metadata"].get("creationTimestamp") or ""))
