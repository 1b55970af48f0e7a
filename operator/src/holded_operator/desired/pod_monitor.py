"""Metrics for the Prometheus operator."""

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline, Runner
from holded_operator.desired import names
from holded_operator.desired.flink.cluster import METRICS_PORT_NAME
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
    ports = [PORT_NAME]
    if pipeline.spec.worker.runner is Runner.FLINK:
        ports.append(METRICS_PORT_NAME)
    return (
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": names.metadata(pipeline, pipeline.metadata.name, None),
            "spec": {
                "selector": {"matchLabels": selector},
                "podMetricsEndpoints": [{"port": port, "path": "/metrics"} for port in ports],
                "podTargetLabels": [constants.LABEL_INSTANCE, constants.LABEL_COMPONENT],
            },
        },
    )
