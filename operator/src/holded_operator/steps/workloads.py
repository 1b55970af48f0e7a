"""Owned objects: apply what is rendered, delete what is rendered no more, tell how the pods are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.constants import LABEL_COMPONENT
from holded_operator.desired import Component, DesiredState
from holded_operator.exceptions import OperatorError, UnavailableError
from holded_operator.gateways.interfaces import Body, Change, KubernetesGateway, Versions, object_id
from holded_operator.status import COLLECTOR_READY, SINK_READY, SUSPENDED, WORKER_READY, PartResult
from holded_operator.steps.credentials import Secrets, collector_keys
from holded_operator.steps.journal import Journal
from holded_operator.steps.pods import trouble

CONDITIONS: Final = {
    Component.COLLECTOR: COLLECTOR_READY,
    Component.WORKER: WORKER_READY,
    Component.SINK: SINK_READY,
}
ROLLOUT: Final = (Component.SINK, Component.WORKER, Component.COLLECTOR)
"""Order in which components are applied: whoever reads first."""

WORKLOAD_KINDS: Final = frozenset({"Deployment", "StatefulSet"})
_VERBS = {Change.CREATED: "Created", Change.UPDATED: "Updated"}


@dataclass(frozen=True)
class Children:
    """The objects a pipeline owns, as they are."""

    objects: tuple[Body, ...]

    @property
    def versions(self) -> Versions:
        """Return which objects there are, in which versions."""
        return frozenset((item["metadata"]["uid"], item["metadata"]["resourceVersion"]) for item in self.objects)

    def find(self, kind: str, name: str) -> Body | None:
        """Return one object."""
        matches = (item for item in self.objects if item["kind"] == kind and item["metadata"]["name"] == name)
        return next(matches, None)

    def workload(self, component: Component) -> Body | None:
        """Return the Deployment or StatefulSet of a component."""
        matches = (
            item
            for item in self.objects
            if item["kind"] in WORKLOAD_KINDS and item["metadata"]["labels"].get(LABEL_COMPONENT) == component.value
        )
        return next(matches, None)

    def replicas(self, component: Component) -> int | None:
        """Return how many pods a component's workload asks for, None without a workload."""
        workload = self.workload(component)
        return None if workload is None else int(workload["spec"].get("replicas", 1))


@dataclass(frozen=True)
class Rollout:
    """What came of applying: the live workloads, and what failed, by component."""

    workloads: Mapping[Component, Body]
    failures: Mapping[Component, OperatorError]


def apply_components(
    kubernetes: KubernetesGateway,
    body: Body,
    *,
    pipeline: HoldedPipeline,
    desired: DesiredState,
    children: Children,
    secrets: Secrets,
    journal: Journal,
) -> Rollout:
    """Apply every object in order; a component that fails does not keep the others from being applied.

    Only when all went well, objects that are rendered no more are deleted.
    """
    workloads: dict[Component, Body] = {}
    failures: dict[Component, OperatorError] = {}
    for component in ROLLOUT:
        try:
            if component is Component.COLLECTOR:
                # The other Secrets were read on the way to the outside systems.
                collector_keys(pipeline, secrets)
            for wanted in desired.of(component):
                live = _apply(kubernetes, body, wanted, children, journal)
                if wanted["kind"] in WORKLOAD_KINDS:
                    workloads[component] = live
        except UnavailableError:
            raise
        except OperatorError as error:
            failures[component] = error
            live_before = children.workload(component)
            if component not in workloads and live_before is not None:
                workloads[component] = live_before
    if not failures:
        _apply_common(kubernetes, body, desired, children, journal)
        _prune(kubernetes, desired, children, journal)
    return Rollout(workloads=workloads, failures=failures)


def result(
    kubernetes: KubernetesGateway,
    body: Body,
    component: Component,
    workload: Body | None,
    *,
    suspended: bool,
    waiting_for: Sequence[str] = (),
    failure: OperatorError | None = None,
) -> PartResult:
    """Return the condition of one component from its live workload; pods are only asked when something is amiss."""
    name = CONDITIONS[component]
    if failure is not None:
        return PartResult(name, ok=False, reason=failure.reason, message=str(failure))
    if workload is None:
        return PartResult(name, ok=False, reason="WaitingForPrerequisites", message=_waiting(waiting_for))
    spec, status = workload["spec"], workload.get("status") or {}
    wanted, ready = int(spec.get("replicas", 1)), int(status.get("readyReplicas") or 0)
    updated, existing = int(status.get("updatedReplicas") or 0), int(status.get("replicas") or 0)
    held = f"; {_waiting(waiting_for)}" if waiting_for else ""
    if suspended and wanted == 0:
        pods = f"{existing} pods are stopping" if existing else "no pods run"
        return PartResult(name, ok=False, reason=SUSPENDED, message=f"spec.suspend is true: {pods}")
    seen = int(status.get("observedGeneration") or 0) >= int(workload["metadata"].get("generation") or 0)
    if seen and ready >= wanted and updated >= wanted:
        return PartResult(name, ok=True, reason="PodsReady", message=f"{ready} of {wanted} pods are ready{held}")
    message = f"{ready} of {wanted} pods are ready, {updated} are of the latest revision{held}"
    problem = trouble(kubernetes.list_pods(body, component.value))
    if problem is not None:
        return PartResult(name, ok=False, reason="PodsFailing", message=f"{message}: {problem}")
    reason = "PodsNotReady" if seen and updated >= wanted else "RollingOut"
    return PartResult(name, ok=False, reason=reason, message=message)


def _apply(kubernetes: KubernetesGateway, body: Body, wanted: Body, children: Children, journal: Journal) -> Body:
    live = children.find(wanted["kind"], wanted["metadata"]["name"])
    if live is None:
        # Not among the owned: absent, or there without our labels or owner reference.
        live = kubernetes.get(wanted)
    applied = kubernetes.apply(body, wanted, live)
    if applied.change is not Change.UNCHANGED:
        journal.changed(f"Object{_VERBS[applied.change]}", f"{_VERBS[applied.change]} {object_id(wanted)}")
    return applied.live


def _apply_common(
    kubernetes: KubernetesGateway, body: Body, desired: DesiredState, children: Children, journal: Journal
) -> None:
    """Apply what belongs to no component: monitoring, whose faults must not keep the pipeline from Ready."""
    for wanted in desired.objects:
        if LABEL_COMPONENT not in wanted["metadata"]["labels"]:
            try:
                _apply(kubernetes, body, wanted, children, journal)
            except UnavailableError:
                raise
            except OperatorError as error:
                journal.warn(error.reason, str(error))


def _prune(kubernetes: KubernetesGateway, desired: DesiredState, children: Children, journal: Journal) -> None:
    for live in children.objects:
        gone = live["metadata"].get("deletionTimestamp") is not None
        if not gone and desired.find(live["kind"], live["metadata"]["name"]) is None:
            kubernetes.delete(live)
            journal.changed("ObjectDeleted", f"Deleted {object_id(live)}")


def _waiting(conditions: Sequence[str]) -> str:
    return f"waiting for {', '.join(conditions)}" if conditions else "not created yet"
