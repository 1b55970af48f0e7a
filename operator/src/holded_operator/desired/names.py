"""Names, labels and metadata of the children."""

import re
from typing import Any

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired.state import Part

_LABEL_MAX = 63


def child_name(pipeline: HoldedPipeline, component: Part) -> str:
    """Return the name that all objects of a component, or of a role of Flink's, share."""
    return f"{pipeline.metadata.name}-{component}"


def selector_labels(pipeline: HoldedPipeline, component: Part) -> dict[str, str]:
    """Return the labels that select a component's pods; they can never change once a workload exists."""
    return {
        constants.LABEL_NAME: constants.APP_NAME,
        constants.LABEL_INSTANCE: pipeline.metadata.name,
        constants.LABEL_COMPONENT: component.value,
    }


def selector_text(pipeline: HoldedPipeline, component: Part) -> str:
    """Return the selector as the scale subresource wants it."""
    return ",".join(f"{key}={value}" for key, value in sorted(selector_labels(pipeline, component).items()))


def labels(pipeline: HoldedPipeline, component: Part | None, *, version: str | None = None) -> dict[str, str]:
    """Return the labels of an object; without a component it belongs to the pipeline as a whole."""
    own = {
        constants.LABEL_NAME: constants.APP_NAME,
        constants.LABEL_INSTANCE: pipeline.metadata.name,
        constants.LABEL_PART_OF: constants.APP_NAME,
        constants.LABEL_MANAGED_BY: constants.FIELD_MANAGER,
    }
    if component is not None:
        own[constants.LABEL_COMPONENT] = component.value
    if version is not None:
        own[constants.LABEL_VERSION] = version
    return own


def metadata(
    pipeline: HoldedPipeline,
    name: str,
    component: Part | None,
    *,
    version: str | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the metadata of a child, owned by the pipeline."""
    result: dict[str, Any] = {
        "name": name,
        "namespace": pipeline.metadata.namespace,
        "labels": labels(pipeline, component, version=version),
    }
    if annotations:
        result["annotations"] = dict(annotations)
    if pipeline.metadata.uid:
        result["ownerReferences"] = [
            {
                "apiVersion": constants.API_VERSION,
                "kind": constants.KIND,
                "name": pipeline.metadata.name,
                "uid": pipeline.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    return result


def image_version(image: str) -> str:
    """Return the tag of an image reference, or its digest, in the form of a label value."""
    last = image.rpartition("/")[2]
    reference, _, digest = last.partition("@")
    tag = reference.partition(":")[2] or digest or "latest"
    return re.sub(r"[^A-Za-z0-9._-]", "-", tag)[:_LABEL_MAX].strip("-._")
