"""What the components' files share above the pod: StatefulSet, headless Service, PodDisruptionBudget."""

from typing import Any

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.pods import PORT_NAME
from holded_operator.desired.state import Manifest, Part

REVISION_HISTORY = 3
"""Old revisions kept for kubectl rollout undo."""


def stateful_set(
    pipeline: HoldedPipeline,
    part: Part,
    template: dict[str, Any],
    *,
    replicas: int,
    annotations: dict[str, str] | None = None,
) -> Manifest:
    """Return a StatefulSet without storage: what it gives is the stable pod name.

    The name is the static group membership and the transactional id, so a new pod fences its dead predecessor at once.
    Pods start and stop in parallel: no member waits for another.
    """
    name = names.child_name(pipeline, part)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": names.metadata(pipeline, name, part, version=_version(template), annotations=annotations),
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "revisionHistoryLimit": REVISION_HISTORY,
            "selector": {"matchLabels": names.selector_labels(pipeline, part)},
            "template": template,
        },
    }


def _version(template: dict[str, Any]) -> str:
    return str(template["metadata"]["labels"][constants.LABEL_VERSION])


def headless_service(pipeline: HoldedPipeline, part: Part, port: int) -> Manifest:
    """Return the Service that a StatefulSet names; it gives its pods their DNS names, ready or not."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(pipeline, names.child_name(pipeline, part), part),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": names.selector_labels(pipeline, part),
            "ports": [{"name": PORT_NAME, "port": port, "protocol": "TCP", "targetPort": PORT_NAME}],
        },
    }


def disruption_budget(pipeline: HoldedPipeline, part: Part, *, most: int) -> tuple[Manifest, ...]:
    """Return the budget that lets a drain take one pod at a time, if there can be more than one."""
    if most <= 1:
        return ()
    return (
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": names.metadata(pipeline, names.child_name(pipeline, part), part),
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": names.selector_labels(pipeline, part)},
            },
        },
    )
