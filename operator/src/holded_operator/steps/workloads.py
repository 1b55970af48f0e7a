"""Owned objects: apply what is rendered, delete what is rendered no more, tell how the pods are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.constants import ANNOTATION_FLINK_MODE, LABEL_COMPONENT
from holded_operator.desired import Component, DesiredState, FlinkRole, Part
from holded_operator.desired.state import FLINK_DEPLOYMENT, LABELS_OF, WORKLOAD_KINDS, parts_of
from holded_operator.exceptions import OperatorError, RunnerSwitchingError, UnavailableError
from holded_operator.gateways.interfaces import Body, Change, KubernetesGateway, Versions, object_id
from holded_operator.status import COLLECTOR_READY, SINK_READY, SUSPENDED, WORKER_READY, PartResult
from holded_operator.steps.credentials import Secrets, collector_keys
from holded_operator.steps.flink_deployment import of_flink_deployment
from holded_operator.steps.journal import Journal
from holded_operator.steps.pods import trouble

CONDITIONS: Final[Mapping[Part, str]] = {
    Component.COLLECTOR: COLLECTOR_READY,
    Component.WORKER: WORKER_READY,
    Component.SINK: SINK_READY,
    **dict.fromkeys(FlinkRole, WORKER_READY),
}
ROLLOUT: Final = (Component.SINK, Component.WORKER, Component.COLLECTOR)
"""Order in which components are applied: whoever reads first."""

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

    def workload(self, part: Part) -> Body | None:
        """Return what runs the pods of a component, or of a role of Flink's."""
        return next((item for item in self._running() if part in parts_of(item)), None)

    def workloads(self, component: Component) -> tuple[Body, ...]:
        """Return everything that runs pods of a component; the worker's include Flink's."""
        return tuple(item for item in self._running() if LABELS_OF[component].intersection(parts_of(item)))

    def _running(self) -> Iterator[Body]:
        return (item for item in self.objects if item["kind"] in WORKLOAD_KINDS)

    def replicas(self, component: Component) -> int | None:
        """Return how many pods a component's workload asks for, None without a workload."""
        workload = self.workload(component)
        return None if workload is None else int(workload["spec"].get("replicas", 1))


@dataclass(frozen=True)
class Rollout:
    """What came of applying: the live workloads, and what failed, by component."""

    workloads: Mapping[Part, Body]
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
    workloads: dict[Part, Body] = {}
    failures: dict[Component, OperatorError] = {}
    for component in ROLLOUT:
        try:
            if component is Component.COLLECTOR:
                # The other Secrets were read on the way to the outside systems.
                collector_keys(pipeline, secrets)
            _stop_former(kubernetes, component, desired, children, journal)
            _await_flinks_operator(kubernetes, body, component, desired, children)
            for wanted in desired.of(component):
                live = _apply(kubernetes, body, wanted, children, journal)
                if wanted["kind"] in WORKLOAD_KINDS:
                    workloads |= dict.fromkeys(parts_of(wanted), live)
        except UnavailableError:
            raise
        except OperatorError as error:
            failures[component] = error
            for live in children.workloads(component):
                for part in parts_of(live):
                    workloads.setdefault(part, live)
    if not failures:
        _apply_common(kubernetes, body, desired, children, journal)
        _prune(kubernetes, desired, children, journal)
    return Rollout(workloads=workloads, failures=failures)


def results(
    kubernetes: KubernetesGateway,
    body: Body,
    desired: DesiredState,
    children: Children,
    rollout: Rollout,
    *,
    suspended: bool,
    waiting_for: Sequence[str] = (),
) -> list[PartResult]:
    """Return the condition of each component; with runner Flink the worker's also minds JobManager and TaskManagers."""

    def of(part: Part) -> PartResult:
        live = rollout.workloads.get(part) or children.workload(part)
        return result(kubernetes, body, part, live, suspended=suspended, waiting_for=waiting_for)

    found = []
    for component in Component:
        failure = rollout.failures.get(component)
        if failure is not None:
            found.append(PartResult(CONDITIONS[component], ok=False, reason=failure.reason, message=str(failure)))
            continue
        running = [item for item in desired.of(component) if item["kind"] in WORKLOAD_KINDS]
        # The submitter cannot be ready while Flink is not: that is the cause, and told first.
        others = [(part, of(part)) for item in running for part in parts_of(item) if part in FlinkRole]
        late = next(((role, part) for role, part in others if not part.ok and part.reason != SUSPENDED), None)
        told = of(component) if late is None else replace(late[1], message=f"{late[0]}: {late[1].message}")
        found.append(_with_former(told, _former(component, desired, children)))
    return found


def result(
    kubernetes: KubernetesGateway,
    body: Body,
    part: Part,
    workload: Body | None,
    *,
    suspended: bool,
    waiting_for: Sequence[str] = (),
) -> PartResult:
    """Return the condition of one component from its live workload; pods are only asked when something is amiss."""
    name = CONDITIONS[part]
    if workload is None:
        return PartResult(name, ok=False, reason="WaitingForPrerequisites", message=_waiting(waiting_for))
    if workload["kind"] == FLINK_DEPLOYMENT:
        return of_flink_deployment(workload, FlinkRole(part), kubernetes.list_pods(body, part.value))
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
    problem = trouble(kubernetes.list_pods(body, part.value))
    if problem is not None:
        return PartResult(name, ok=False, reason="PodsFailing", message=f"{message}: {problem}")
    reason = "PodsNotReady" if seen and updated >= wanted else "RollingOut"
    return PartResult(name, ok=False, reason=reason, message=message)


def _stop_former(
    kubernetes: KubernetesGateway, component: Component, desired: DesiredState, children: Children, journal: Journal
) -> None:
    """Stop what a component ran before and runs no more; raise until it is gone: two runners must never both write.

    A component that shall have no pods waits for nobody.
    """
    former = _former(component, desired, children)
    for live in former:
        if live["metadata"].get("deletionTimestamp") is None:
            # In the foreground: it stays until its pods are gone.
            kubernetes.delete(live, wait_for_dependents=True)
            journal.changed("Stopping", f"Deleted {object_id(live)}, waiting for its pods to stop")
    if former and desired.runs(component):
        raise RunnerSwitchingError(", ".join(object_id(live) for live in former))


def _former(component: Component, desired: DesiredState, children: Children) -> list[Body]:
    return [
        live for live in children.workloads(component) if desired.find(live["kind"], live["metadata"]["name"]) is None
    ]


def _await_flinks_operator(
    kubernetes: KubernetesGateway, body: Body, component: Component, desired: DesiredState, children: Children
) -> None:
    """Raise while there are pods of a FlinkDeployment that is gone: its operator waits for them only so long."""
    submitter = children.workload(component)
    if submitter is None or ANNOTATION_FLINK_MODE not in (submitter["metadata"].get("annotations") or {}):
        return
    if children.workload(FlinkRole.JOB_MANAGER) is not None or not desired.runs(component):
        return
    left = [pod["metadata"]["name"] for role in FlinkRole for pod in kubernetes.list_pods(body, role.value)]
    if left:
        raise RunnerSwitchingError(", ".join(f"Pod {name}" for name in left))


def _with_former(part: PartResult, former: Sequence[Body]) -> PartResult:
    """Return the condition of a component of which something is left that it shall not have."""
    if not former:
        return part
    left = ", ".join(object_id(live) for live in former)
    reason = part.reason if part.reason == SUSPENDED else "RollingOut"
    return replace(part, ok=False, reason=reason, message=f"{part.message}; still there: {left}")


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
    # Those are deleted already, in a way that a second deletion would cut short.
    former = [live for component in Component for live in _former(component, desired, children)]
    for live in children.objects:
        gone = live in former or live["metadata"].get("deletionTimestamp") is not None
        if not gone and desired.find(live["kind"], live["metadata"]["name"]) is None:
            kubernetes.delete(live)
            journal.changed("ObjectDeleted", f"Deleted {object_id(live)}")


def _waiting(conditions: Sequence[str]) -> str:
    return f"waiting for {', '.join(conditions)}" if conditions else "not created yet"
