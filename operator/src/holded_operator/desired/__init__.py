"""The desired state of one pipeline: a pure function of its spec, the images and the Secrets' checksums."""

from holded_operator.desired.render import referenced_secrets, render
from holded_operator.desired.scaling import desired_replicas
from holded_operator.desired.state import (
    Component,
    DeletionPlan,
    DesiredState,
    FlinkRole,
    Images,
    Manifest,
    Part,
    SubjectSpec,
    TopicSpec,
)
from holded_operator.desired.topics import deletion_plan

__all__ = [
    "Component",
    "DeletionPlan",
    "DesiredState",
    "FlinkRole",
    "Images",
    "Manifest",
    "Part",
    "SubjectSpec",
    "TopicSpec",
    "deletion_plan",
    "desired_replicas",
    "referenced_secrets",
    "render",
]
