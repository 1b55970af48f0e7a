"""What the components' files share above the pod: StatefulSet, headless Service, PodDisruptionBudget."""

from collections.abc import Mapping

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.pods import PORT_NAME, Workload, pod_template
from holded_operator.desired.state import Component, Manifest

REVISION_HISTORY = 3
"""Old revisions kept for kubectl rollout undo."""


def stateful_set(
    pipeline: HoldedPipeline,
    workload: Workload,
    config: Manifest,
    secret_checksums: Mapping[str, str],
    *,
    replicas: int,
) -> Manifest:
    """Return a StatefulSet without storage: what it gives is the stable pod name.

    The name is the static group membership and the transactional id, so a new pod fences its dead predecessor at once.
    Pods start and stop in parallel: no member waits for another.
    """
    name = names.child_name(pipeline, workload.component)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": names.metadata(pipeline, name, workload.component, version=names.image_version(workload.image)),
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "revisionHistoryLimit": REVISION_HISTORY,
            "selector": {"matchLabels": names.selector_labels(pipeline, workload.component)},
            "template": pod_template(pipeline, workload, config, secret_checksums),
        },
    }


def headless_service(pipeline: HoldedPipeline, component: Component, port: int) -> Manifest:
    """Return the Service that a StatefulSet names; it gives its pods their DNS names, ready or not."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(pipeline, names.child_name(pipeline, component), component),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": names.selector_labels(pipeline, component),
            "ports": [{"name": PORT_NAME, "port": port, "protocol": "TCP", "targetPort": PORT_NAME}],
        },
    }


def disruption_budget(pipeline: HoldedPipeline, component: Component, *, most: int) -> tuple[Manifest, ...]:
    """Return the budget that lets a drain take one pod at a time, if there can be more than one."""
    if most <= 1:
        return ()
    return (
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": names.metadata(pipeline, names.child_name(pipeline, component), component),
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": names.selector_labels(pipeline, component)},
            },
        },
    )
