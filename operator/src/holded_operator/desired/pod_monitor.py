"""Metrics for the Prometheus operator."""

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.pods import PORT_NAME
from holded_operator.desired.state import Manifest


def pod_monitors(pipeline: HoldedPipeline) -> tuple[Manifest, ...]:
    """Return the PodMonitor over all pods of the pipeline, if the spec asks for it."""
    if not pipeline.spec.monitoring.pod_monitor:
        return ()
    selector = {
        constants.LABEL_INSTANCE: pipeline.metadata.name,
        constants.LABEL_MANAGED_BY: constants.FIELD_MANAGER,
    }
    return (
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": names.metadata(pipeline, pipeline.metadata.name, None),
            "spec": {
                "selector": {"matchLabels": selector},
                "podMetricsEndpoints": [{"port": PORT_NAME, "path": "/metrics"}],
                "podTargetLabels": [constants.LABEL_INSTANCE, constants.LABEL_COMPONENT],
            },
        },
    )
