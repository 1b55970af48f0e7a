"""What state pipelines are in, as tables for people or JSON for programs. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from holded_cli.cluster.pods import ComponentState
from holded_operator.api.v1alpha1 import Condition, HoldedPipelineStatus
from holded_operator.gateways.interfaces import Body
from holded_operator.status import READY

_SECONDS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}


def status_of(body: Body) -> HoldedPipelineStatus:
    """Return the status as the operator wrote it; empty before it has."""
    return HoldedPipelineStatus.model_validate(body.get("status") or {})


def ready_condition(status: HoldedPipelineStatus) -> Condition | None:
    """Return the condition Ready."""
    return next((entry for entry in status.conditions if entry.type == READY), None)


def is_ready(body: Body) -> bool:
    """Tell whether the newest spec is Ready."""
    status = status_of(body)
    ready = ready_condition(status)
    return ready is not None and ready.status == "True" and status.observed_generation == body["metadata"]["generation"]


def summary_json(bodies: Sequence[Body]) -> dict[str, Any]:
    """Return all pipelines as a document."""
    return {"pipelines": [pipeline_json(body, None) for body in bodies]}


def pipeline_json(body: Body, components: Sequence[ComponentState] | None) -> dict[str, Any]:
    """Return one pipeline as a document: its status, and its pods where they were asked for."""
    metadata = body["metadata"]
    document = {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "generation": metadata["generation"],
        "ready": is_ready(body),
        **status_of(body).model_dump(mode="json", by_alias=True, exclude_none=True),
    }
    if components is not None:
        document["components"] = [
            {"name": state.component.value, "ready": state.ready, "wanted": state.wanted, "restarts": state.restarts}
            for state in components
        ]
    return document


def summary(bodies: Sequence[Body], now: datetime) -> RenderableType:
    """Return a line for each pipeline."""
    if not bodies:
        return Text("There are no pipelines.")
    table = _table(
        "Namespace", "Name", "Ready", "Phase", "Generation", "Lag", "In flight", "Dead letters", "Latency", "Age"
    )
    for body in bodies:
        status, metadata = status_of(body), body["metadata"]
        ready, ledger = ready_condition(status), status.ledger
        table.add_row(
            metadata["namespace"],
            metadata["name"],
            _flag("Unknown" if ready is None else ready.status),
            status.phase or "-",
            _generation(body, status),
            _number(status.lag),
            _number(None if ledger is None else ledger.in_flight),
            _number(None if ledger is None else ledger.dead_letters),
            _latency(status),
            age(metadata.get("creationTimestamp"), now),
        )
    return table


def details(body: Body, components: Sequence[ComponentState], now: datetime) -> RenderableType:
    """Return all there is to know of one pipeline."""
    status, metadata = status_of(body), body["metadata"]
    head = Table.grid(padding=(0, 2))
    for label, value in (
        ("Pipeline", f"{metadata['namespace']}/{metadata['name']}"),
        ("Phase", status.phase or "not seen by the operator yet"),
        ("Generation", _generation(body, status)),
        ("Collector", status.collector_url or "-"),
        ("Version", status.pipeline_version or "-"),
        ("Lag", _number(status.lag)),
        ("Latency", _latency(status)),
    ):
        head.add_row(label, value)
    tables = (_conditions(status, now), _pods(components), _topics(status), _ledger(status))
    return Group(head, *(part for table in tables for part in (Text(), table)))


def age(moment: str | None, now: datetime) -> str:
    """Return the time since then in its two largest units."""
    if moment is None:
        return "-"
    left = max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
    parts: list[str] = []
    for unit, size in _SECONDS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


def _conditions(status: HoldedPipelineStatus, now: datetime) -> Table:
    table = _table("Condition", "Status", "Reason", "Since", "Message")
    for entry in status.conditions:
        since = age(entry.last_transition_time, now)
        table.add_row(entry.type, _flag(entry.status), entry.reason, since, Text(entry.message))
    return table


def _pods(components: Sequence[ComponentState]) -> Table:
    table = _table("Component", "Ready pods", "Restarts", "Trouble")
    for state in components:
        table.add_row(
            state.component.value, f"{state.ready}/{state.wanted}", str(state.restarts), Text(state.trouble or "-")
        )
    return table


def _topics(status: HoldedPipelineStatus) -> Table:
    table = _table("Topic", "Partitions", "Replicas", "Subject", "Schema id", "Version")
    subjects = {subject.name: subject for subject in status.subjects}
    for topic in status.topics:
        subject = subjects.get(f"{topic.name}-value")
        cells = ("-", "-", "-") if subject is None else (subject.name, str(subject.id), str(subject.version))
        table.add_row(topic.name, str(topic.partitions), str(topic.replication_factor), *cells)
    return table


def _ledger(status: HoldedPipelineStatus) -> RenderableType:
    ledger = status.ledger
    if ledger is None:
        return Text("Ledger: not read yet")
    table = _table("Accepted", "Gold", "Dead letters", "Duplicates", "In flight", "As of")
    numbers = (ledger.accepted, ledger.gold, ledger.dead_letters, ledger.duplicates, ledger.in_flight)
    table.add_row(*(str(number) for number in numbers), ledger.at)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _generation(body: Body, status: HoldedPipelineStatus) -> str:
    """Return which generation of the spec the status is about, of how many."""
    seen = "none" if status.observed_generation is None else str(status.observed_generation)
    return f"{seen}/{body['metadata']['generation']}"


def _flag(status: str) -> Text:
    return Text(status, style=_COLOURS[status])


def _latency(status: HoldedPipelineStatus) -> str:
    """Return how long the pipeline's own events take to MySQL."""
    return "-" if status.latency is None else f"{status.latency.canary_milliseconds} ms"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
