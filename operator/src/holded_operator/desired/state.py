"""The desired state as values: what is rendered, compared, applied and deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holded_contracts.topics import Artefact

Manifest = dict[str, Any]
"""One Kubernetes object."""


class Component(StrEnum):
    """The three workloads; the value is their label and the end of their objects' names."""

    COLLECTOR = "collector"
    WORKER = "worker"
    SINK = "sink"


@dataclass(frozen=True, slots=True)
class Images:
    """Full references of the images the operator deploys."""

    collector: str
    worker: str
    sink: str
    pull_policy: str = "IfNotPresent"


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
        """Return the objects of one component, in apply order."""
        label = "app.kubernetes.io/component"
        return tuple(item for item in self.objects if item["metadata"]["labels"].get(label) == component.value)

    def find(self, kind: str, name: str) -> Manifest | None:
        """Return one object, or None if it is not part of the desired state."""
        matches = (item for item in self.objects if item["kind"] == kind and item["metadata"]["name"] == name)
        return next(matches, None)

    def workload(self, component: Component) -> Manifest:
        """Return the Deployment or StatefulSet of a component."""
        return next(item for item in self.of(component) if item["kind"] in {"Deployment", "StatefulSet"})
