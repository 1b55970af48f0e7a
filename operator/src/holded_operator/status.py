"""The status document as a pure function of what was observed.

Equal observations give an equal document, so a pass in which nothing changed has nothing to write: transition times
move with a condition's status only, and the ledger keeps the time at which its numbers were first seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from holded_operator.api.v1alpha1 import FlinkStatus, HoldedPipeline, Metadata, Phase, SubjectStatus, TopicStatus
from holded_operator.latency import EVENTS_FLOW, Reading, events_flow, latency_status
from holded_operator.validation import Problem

READY: Final = "Ready"
TOPICS_READY: Final = "TopicsReady"
SCHEMAS_READY: Final = "SchemasReady"
DATABASE_READY: Final = "DatabaseReady"
COLLECTOR_READY: Final = "CollectorReady"
WORKER_READY: Final = "WorkerReady"
SINK_READY: Final = "SinkReady"

PART_TYPES: Final = (TOPICS_READY, SCHEMAS_READY, DATABASE_READY, COLLECTOR_READY, WORKER_READY, SINK_READY)
"""Conditions of the parts, in the order in which a pass sees to them and in which the status lists them."""

SUSPENDED: Final = "Suspended"
"""Reason of the workloads' conditions, and of Ready, while spec.suspend is set."""

MAX_MESSAGE_LENGTH: Final = 2_000
"""Characters of a message that are kept: some servers answer with pages."""


@dataclass(frozen=True, slots=True)
class PartResult:
    """What one step of a reconcile pass found; `ok` None means that it could not be told."""

    type: str
    ok: bool | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Numbers of the ledger; in flight follows from the others."""

    accepted: int
    gold: int
    dead_letters: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen in a pass; None means not seen, and what was last seen stays (but neither lag nor job)."""

    topics: Sequence[TopicStatus] | None = None
    subjects: Sequence[SubjectStatus] | None = None
    collector_url: str | None = None
    pipeline_version: str | None = None
    lag: int | None = None
    ledger: Ledger | None = None
    flink: FlinkStatus | None = None
    canary: Reading | None = None
    worker_replicas: int | None = None
    worker_selector: str | None = None


def build_status(
    pipeline: HoldedPipeline,
    previous: Mapping[str, Any],
    parts: Sequence[PartResult],
    *,
    now: datetime,
    facts: Facts | None = None,
) -> dict[str, Any]:
    """Return the whole status document, to be written if it differs from `previous`.

    A part that this pass did not come to (because an earlier one failed) keeps its condition; one that was never seen
    is Unknown. `now` must know its time zone.
    """
    metadata = pipeline.metadata
    found = {part.type: part for part in parts}
    known = {entry["type"] for entry in previous.get("conditions", ())}
    for name in PART_TYPES:
        if name not in found and name not in known:
            found[name] = PartResult(name, None, "Pending", "Not reached yet")
    conditions = _conditions(previous, found.values(), metadata.generation, now)
    ready = _ready(pipeline, conditions)
    phase = _phase(pipeline, previous, ready, seen=bool(parts))
    facts = facts or Facts()
    conditions.append(_condition(previous, ready, metadata.generation, now))
    canary = _canary(pipeline, previous, conditions[-1], facts.canary, now)
    return {
        **_facts(previous, facts, now),
        **canary.latency,
        "observedGeneration": metadata.generation,
        "phase": phase.value,
        "conditions": _in_order([*conditions, *canary.conditions]),
    }


def invalid_status(
    metadata: Metadata,
    previous: Mapping[str, Any],
    problems: Sequence[Problem],
    *,
    now: datetime,
) -> dict[str, Any]:
    """Return the status of a spec that was refused: the running pods, and what is told about them, stay untouched."""
    message = "; ".join(str(problem) for problem in problems)
    refused = PartResult(READY, ok=False, reason="InvalidSpec", message=message)
    others = [entry for entry in previous.get("conditions", ()) if entry["type"] != READY]
    return {
        **previous,
        "observedGeneration": metadata.generation,
        "phase": Phase.INVALID.value,
        "conditions": _in_order([_condition(previous, refused, metadata.generation, now), *others]),
    }


def _conditions(
    previous: Mapping[str, Any], parts: Iterable[PartResult], generation: int, now: datetime
) -> list[dict[str, Any]]:
    fresh = {part.type: _condition(previous, part, generation, now) for part in parts}
    kept = [
        dict(entry)
        for entry in previous.get("conditions", ())
        if entry["type"] not in fresh and entry["type"] not in (READY, EVENTS_FLOW)
    ]
    return [*fresh.values(), *kept]


def _condition(previous: Mapping[str, Any], part: PartResult, generation: int, now: datetime) -> dict[str, Any]:
    status = "Unknown" if part.ok is None else str(part.ok)
    before = next((entry for entry in previous.get("conditions", ()) if entry["type"] == part.type), None)
    unchanged = before is not None and before["status"] == status
    return {
        "type": part.type,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before is not None and unchanged else timestamp(now),
        "reason": part.reason,
        "message": _shortened(part.message),
    }


def canary_stands(pipeline: HoldedPipeline, body: Mapping[str, Any], reading: Reading | None, now: datetime) -> bool:
    """Tell whether what canaries add to a resource's status is what it has, while all else in it stays as it is."""
    previous = body.get("status") or {}
    told = {entry["type"]: entry for entry in previous.get("conditions", ())}
    if READY not in told:
        return False
    found = _canary(pipeline, previous, told[READY], reading, now)
    before = [told[EVENTS_FLOW]] if EVENTS_FLOW in told else []
    return found.conditions == before and found.latency.get("latency") == previous.get("latency")


@dataclass(frozen=True, slots=True)
class _Canary:
    conditions: list[dict[str, Any]]
    latency: dict[str, Any]


def _canary(
    pipeline: HoldedPipeline,
    previous: Mapping[str, Any],
    ready: Mapping[str, Any],
    reading: Reading | None,
    now: datetime,
) -> _Canary:
    """Return what canaries add to the status; an old latency would look like health, so it goes when they are late."""
    if not pipeline.spec.monitoring.canary.enabled:
        return _Canary([], {})
    before = {key: previous[key] for key in ("latency",) if key in previous}
    if reading is None:
        return _Canary(
            [dict(entry) for entry in previous.get("conditions", ()) if entry["type"] == EVENTS_FLOW], before
        )
    since = datetime.fromisoformat(ready["lastTransitionTime"]) if ready["status"] == "True" else None
    verdict = events_flow(pipeline.spec, reading, now, ready_since=since)
    condition = _condition(previous, PartResult(EVENTS_FLOW, *verdict), pipeline.metadata.generation, now)
    if not verdict.ok or reading.newest is None:
        return _Canary([condition], {})
    return _Canary([condition], {"latency": latency_status(before.get("latency"), reading.newest, now)})


def _ready(pipeline: HoldedPipeline, conditions: Sequence[Mapping[str, Any]]) -> PartResult:
    """Return Ready: every part is True; else the message names the first that is not, a fault before an unknown."""
    if pipeline.metadata.deletion_timestamp is not None:
        return PartResult(READY, ok=False, reason="Deleting", message="The resource is being deleted")
    in_order = _in_order(conditions)
    failing = [entry for entry in in_order if entry["status"] != "True" and entry["reason"] != SUSPENDED]
    failing.sort(key=lambda entry: entry["status"] != "False")
    if failing:
        first = failing[0]
        return PartResult(READY, ok=False, reason=first["reason"], message=f"{first['type']}: {first['message']}")
    if pipeline.spec.suspend:
        return PartResult(READY, ok=False, reason=SUSPENDED, message="spec.suspend is true: no pods run, data is kept")
    return PartResult(READY, ok=True, reason="AllPartsReady", message="All parts are ready")


def _phase(pipeline: HoldedPipeline, previous: Mapping[str, Any], ready: PartResult, *, seen: bool) -> Phase:
    if pipeline.metadata.deletion_timestamp is not None:
        return Phase.DELETING
    if not seen:
        return Phase.PENDING
    if pipeline.spec.suspend:
        return Phase.SUSPENDED
    if ready.ok:
        return Phase.RUNNING
    # What has run before and does not now is degraded; a new spec rolling out is being provisioned.
    same_spec = previous.get("observedGeneration") == pipeline.metadata.generation
    was_up = previous.get("phase") in {Phase.RUNNING.value, Phase.DEGRADED.value}
    return Phase.DEGRADED if same_spec and was_up else Phase.PROVISIONING


def _facts(previous: Mapping[str, Any], facts: Facts, now: datetime) -> dict[str, Any]:
    seen = {
        "topics": _documents(facts.topics),
        "subjects": _documents(facts.subjects),
        "collectorURL": facts.collector_url,
        "pipelineVersion": facts.pipeline_version,
        "ledger": _ledger(previous.get("ledger"), facts.ledger, now),
        "workerReplicas": facts.worker_replicas,
        "workerSelector": facts.worker_selector,
    }
    result = {key: previous.get(key) if value is None else value for key, value in seen.items()}
    result["lag"] = facts.lag  # an old lag, or job, would look like health
    result["flink"] = (
        None if facts.flink is None else facts.flink.model_dump(mode="json", by_alias=True, exclude_none=True)
    )
    return {key: value for key, value in result.items() if value is not None}


def _documents(items: Sequence[TopicStatus] | Sequence[SubjectStatus] | None) -> list[dict[str, Any]] | None:
    return None if items is None else [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in items]


def _ledger(before: Mapping[str, Any] | None, ledger: Ledger | None, now: datetime) -> dict[str, Any] | None:
    if ledger is None:
        return None
    numbers = {
        "accepted": ledger.accepted,
        "gold": ledger.gold,
        "deadLetters": ledger.dead_letters,
        "duplicates": ledger.duplicates,
        "inFlight": ledger.accepted - ledger.gold - ledger.dead_letters - ledger.duplicates,
    }
    same = before is not None and all(before.get(key) == value for key, value in numbers.items())
    return {**numbers, "at": before["at"] if before is not None and same else timestamp(now)}


def _in_order(conditions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    order = {name: index for index, name in enumerate((READY, *PART_TYPES))}
    return sorted((dict(entry) for entry in conditions), key=lambda e: (order.get(e["type"], len(order)), e["type"]))


def _shortened(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE_LENGTH else f"{message[: MAX_MESSAGE_LENGTH - 1]}…"


def timestamp(moment: datetime) -> str:
    """Return a time as Kubernetes writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
