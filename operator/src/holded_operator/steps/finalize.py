"""Deletion: stop the workloads in the direction of the flow, remove what the policy says, then let the resource go.

Every step is bounded in time, so that a resource can be deleted when Kafka, the registry or MySQL is gone for good. The
clocks run in memory: a restarted operator starts them anew, which lengthens a deletion but never blocks it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.constants import FINALIZER
from holded_operator.context import Context
from holded_operator.desired import Component, DeletionPlan
from holded_operator.exceptions import KubernetesUnavailableError, OperatorError, UnavailableError
from holded_operator.gateways.interfaces import Body, object_id
from holded_operator.steps.credentials import Secrets, database_access, kafka_access, registry_access
from holded_operator.steps.journal import Journal
from holded_operator.steps.workloads import Children

STOP_ORDER = (Component.COLLECTOR, Component.WORKER, Component.SINK)
"""Whoever takes in new work stops first."""


@dataclass
class Deletion:
    """What is remembered of one deletion between its passes."""

    draining_since: float
    removing_since: float | None = None
    removed: set[str] = field(default_factory=set)
    """Names of the removals that need no further try."""


def stop_workloads(context: Context, body: Body, deletion: Deletion, journal: Journal) -> bool:
    """Stop one component after the other; True when all are gone or the time is over."""
    children = Children(tuple(context.kubernetes.list_children(body)))
    late = context.clock() - deletion.draining_since > context.config.drain_seconds
    for component in STOP_ORDER:
        stopping = children.workloads(component)
        for workload in stopping:
            if workload["metadata"].get("deletionTimestamp") is None:
                # In the foreground: the object stays until its pods are gone, which is how the next pass knows.
                context.kubernetes.delete(workload, wait_for_dependents=True)
                journal.changed("Stopping", f"Deleted {object_id(workload)}, waiting for its pods to stop")
        if stopping and not late:
            return False
        for workload in stopping:
            seconds = context.config.drain_seconds
            journal.warn("DrainTimedOut", f"{object_id(workload)} has not stopped in {seconds:.0f} s")
    return True


def remove_outside(
    context: Context, pipeline: HoldedPipeline, plan: DeletionPlan, deletion: Deletion, journal: Journal
) -> bool:
    """Remove topics, subjects and tables as the plan says; True when it is done or the time is over."""
    if deletion.removing_since is None:
        deletion.removing_since = context.clock()
    late = context.clock() - deletion.removing_since > context.config.finalize_seconds
    left = _remove(context, pipeline, plan, deletion, journal)
    if late:
        for name, cause in left.items():
            journal.warn("LeftBehind", f"Could not delete {name}, it is left behind: {cause}")
    return late or not left


def _remove(
    context: Context, pipeline: HoldedPipeline, plan: DeletionPlan, deletion: Deletion, journal: Journal
) -> dict[str, OperatorError]:
    """Try every removal that is not done yet; return what could not be removed, and why."""
    away: dict[str, UnavailableError] = {}
    left: dict[str, OperatorError] = {}
    for name, system, removal in _removals(context, pipeline, plan):
        if name in deletion.removed:
            continue
        if system in away:
            # One time-out a pass is enough to know.
            left[name] = away[system]
            continue
        try:
            if removal():
                journal.changed("Removed", f"Deleted {name}")
            deletion.removed.add(name)
        except KubernetesUnavailableError:
            raise  # without it not even the finalizer can go
        except UnavailableError as error:
            left[name] = away[system] = error
        except OperatorError as error:
            left[name] = error
    return left


def release(context: Context, body: Body) -> None:
    """Take our finalizer off, which lets the API server delete the resource."""
    others = [name for name in body["metadata"].get("finalizers") or () if name != FINALIZER]
    context.kubernetes.set_finalizers(body, others)


def _removals(
    context: Context, pipeline: HoldedPipeline, plan: DeletionPlan
) -> list[tuple[str, str, Callable[[], bool]]]:
    """Return what to remove: its name, its system, and the call that does it (False when there was nothing)."""
    secrets = Secrets(context.kubernetes, pipeline.metadata.namespace)

    def topic(name: str) -> bool:
        return context.kafka.delete_topic(kafka_access(pipeline, secrets), name)

    def subject(name: str) -> bool:
        return context.registry.delete_subject(registry_access(pipeline, secrets), name)

    def database() -> bool:
        return context.database.drop(database_access(pipeline, secrets))

    removals: list[tuple[str, str, Callable[[], bool]]] = []
    removals += [(f"topic {name}", "kafka", partial(topic, name)) for name in plan.topics]
    removals += [(f"subject {name}", "registry", partial(subject, name)) for name in plan.subjects]
    if plan.database is not None:
        removals.append((f"database {plan.database}", "mysql", database))
    return removals
