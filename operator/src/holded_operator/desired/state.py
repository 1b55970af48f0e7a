"""The desired state as values: what is rendered, compared, applied and deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from holded_contracts.topics import Artefact
from holded_operator import constants

Manifest = dict[str, Any]
"""One Kubernetes object."""

FLINK_DEPLOYMENT: Final = "FlinkDeployment"
"""The Flink Kubernetes Operator's kind: JobManager and TaskManagers as one object."""
WORKLOAD_KINDS: Final = frozenset({"Deployment", "StatefulSet", FLINK_DEPLOYMENT})
"""Kinds that run pods."""


class Component(StrEnum):
    """The three workloads; the value is their label and the end of their objects' names."""

    COLLECTOR = "collector"
    WORKER = "worker"
    SINK = "sink"


class FlinkRole(StrEnum):
    """What the worker has beside its own pods with runner Flink; named and labelled as components are."""

    JOB_MANAGER = "jobmanager"
    TASK_MANAGER = "taskmanager"


type Part = Component | FlinkRole
"""Whose pods they are."""

_FIELDS: Mapping[Part, str] = {FlinkRole.JOB_MANAGER: "jobManager", FlinkRole.TASK_MANAGER: "taskManager"}
"""A FlinkDeployment's words for its roles."""

LABELS_OF: Mapping[Component, frozenset[str]] = {
    Component.COLLECTOR: frozenset({Component.COLLECTOR}),
    Component.WORKER: frozenset({Component.WORKER, *FlinkRole}),
    Component.SINK: frozenset({Component.SINK}),
}
"""Values of the component label on the objects that belong to a component."""


@dataclass(frozen=True, slots=True)
class Images:
    """Full references of the images the operator deploys."""

    collector: str
    worker: str
    sink: str
    pull_policy: str = "IfNotPresent"
    flink: str = "flink:1.19.3-java17"
    """JobManager and TaskManagers; its minor version is the job server's."""
    flink_job_server: str = "apache/beam_flink1.19_job_server:2.77.0"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as Kafka shall have it."""

    artefact: Artefact
    name: str
    partitions: int
    replication_factor: int | None
    """None takes the broker's default."""
    config: Mapping[str, str]
    """All settings of the topic itself; others that somebody sets get the brokers' default again."""
    managed: bool
    """If not, the topic is only read."""


@dataclass(frozen=True, slots=True)
class SubjectSpec:
    """A subject as the registry shall have it."""

    artefact: Artefact
    name: str
    schema_text: str
    compatibility: str


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """What goes away with the resource; Kubernetes objects go by their owner references."""

    topics: tuple[str, ...]
    subjects: tuple[str, ...]
    database: str | None


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Everything one pipeline shall have. Equal input gives an equal value."""

    objects: tuple[Manifest, ...]
    """Kubernetes objects in the order they are applied."""
    topics: tuple[TopicSpec, ...]
    subjects: tuple[SubjectSpec, ...]
    deletion: DeletionPlan
    pipeline_version: str
    """Version of the worker's code, rules and weights."""
    collector_url: str
    """Where events are posted inside the cluster."""
    worker_replicas: int
    """Worker pods there shall be."""
    worker_selector: str
    """Label selector of the worker pods, for the scale subresource."""

    def of(self, component: Component) -> tuple[Manifest, ...]:
        """Return the objects of one component, in apply order; the worker's include Flink's."""
        return tuple(item for item in self.objects if component_label(item) in LABELS_OF[component])

    def find(self, kind: str, name: str) -> Manifest | None:
        """Return one object, or None if it is not part of the desired state."""
        matches = (item for item in self.objects if item["kind"] == kind and item["metadata"]["name"] == name)
        return next(matches, None)

    def workload(self, part: Part) -> Manifest:
        """Return what runs the pods of a component or role."""
        return next(item for item in self.objects if item["kind"] in WORKLOAD_KINDS and part in parts_of(item))

    def runs(self, component: Component) -> bool:
        """Tell whether a component shall have pods."""
        return any(item["spec"].get("replicas", 1) for item in self.of(component) if item["kind"] in WORKLOAD_KINDS)


def component_label(item: Manifest) -> str | None:
    """Return the component or role that an object's label names; one of the whole pipeline has none."""
    label: str | None = (item["metadata"].get("labels") or {}).get(constants.LABEL_COMPONENT)
    return label


def pod_template(workload: Manifest, part: Part) -> Manifest:
    """Return the template of a part's pods, in its workload's words."""
    of = _pods_of(workload, part)
    found: Manifest = of["podTemplate"] if workload["kind"] == FLINK_DEPLOYMENT else of["template"]
    return found


def with_pod_template(workload: Manifest, part: Part, template: Manifest) -> Manifest:
    """Return the workload with another template for a part's pods."""
    spec = workload["spec"]
    if workload["kind"] == FLINK_DEPLOYMENT:
        field = _FIELDS[part]
        return workload | {"spec": spec | {field: spec[field] | {"podTemplate": template}}}
    return workload | {"spec": spec | {"template": template}}


def replicas_of(workload: Manifest, part: Part) -> int:
    """Return how many pods of a part a workload asks for."""
    return int(_pods_of(workload, part).get("replicas", 1))


def _pods_of(workload: Manifest, part: Part) -> Manifest:
    spec: Manifest = workload["spec"]
    return spec[_FIELDS[part]] if workload["kind"] == FLINK_DEPLOYMENT else spec


def parts_of(workload: Manifest) -> tuple[Part, ...]:
    """Return whose pods a workload runs; a FlinkDeployment those of all of Flink's roles.

    Nobody's, if its label says nothing that we know.
    """
    if workload["kind"] == FLINK_DEPLOYMENT:
        return tuple(FlinkRole)
    label = component_label(workload)
    return tuple(part for part in (*Component, *FlinkRole) if part == label)
