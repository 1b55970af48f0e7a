"""What a reconcile pass gathers on its way, and what is kept of one that had nothing left to do."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import DesiredState
from holded_operator.exceptions import OperatorError
from holded_operator.gateways.interfaces import (
    Body,
    DatabaseAccess,
    KafkaAccess,
    RegisteredSchema,
    TopicState,
    Versions,
)
from holded_operator.status import DATABASE_READY, SCHEMAS_READY, TOPICS_READY, PartResult
from holded_operator.steps.credentials import Secrets
from holded_operator.steps.flow import Flow
from holded_operator.steps.journal import Journal

PREREQUISITES = (TOPICS_READY, SCHEMAS_READY, DATABASE_READY)
"""Conditions of what is outside Kubernetes; the workloads wait for it."""


@dataclass
class Pass:
    """What the steps of one pass over one resource have found so far."""

    body: Body
    pipeline: HoldedPipeline
    desired: DesiredState
    secrets: Secrets
    secret_names: Collection[str]
    """Of the Secrets that the pods use."""
    checksums: Mapping[str, str]
    """Of those among them that exist."""
    journal: Journal
    kafka: KafkaAccess | None = None
    database: DatabaseAccess | None = None
    topics: dict[str, TopicState] = field(default_factory=dict)
    subjects: dict[str, RegisteredSchema] = field(default_factory=dict)
    worker_pods: int | None = None
    """Worker pods there are, whatever their state."""
    children: Versions = frozenset()
    """The owned objects as they were before the pass."""
    parts: list[PartResult] = field(default_factory=list)
    errors: list[OperatorError] = field(default_factory=list)

    def attempt(self, name: str, step: Callable[[], tuple[str, str]]) -> None:
        """Run a prerequisite; it returns the condition's reason and message, and its failure is a condition, too."""
        try:
            reason, message = step()
            self.parts.append(PartResult(name, ok=True, reason=reason, message=message))
        except OperatorError as error:
            self.errors.append(error)
            self.parts.append(PartResult(name, ok=False, reason=error.reason, message=str(error)))

    @property
    def unmet(self) -> list[str]:
        """Conditions that keep the workloads from being touched."""
        found = {part.type for part in self.parts if part.ok}
        return [name for name in PREREQUISITES if name not in found]


@dataclass(frozen=True)
class Converged:
    """What a pass that had nothing left to do has found."""

    work: Pass
    flow: Flow
    versions: Versions
    """Of the resource and of what it owns."""

    def tells(self, work: Pass, flow: Flow) -> bool:
        """Tell whether another look saw the same, so that the same status follows."""
        seen = (self.work.parts, self.work.topics, self.work.subjects)
        spec = work.pipeline.spec
        canaries = spec.collector.most_replicas if spec.monitoring.canary.enabled else 0  # of each pod one at most
        return seen == (work.parts, work.topics, work.subjects) and flow.is_calm_since(self.flow, canaries=canaries)
