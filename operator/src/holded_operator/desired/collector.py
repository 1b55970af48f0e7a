"""The collector: Deployment, Service and, with autoscaling, a HorizontalPodAutoscaler."""

from collections.abc import Mapping
from typing import Any

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.config_maps import config_map
from holded_operator.desired.network_policy import network_policy
from holded_operator.desired.pods import PORT_NAME, Workload, pod_template
from holded_operator.desired.settings import PRE_STOP_SECONDS, collector_settings
from holded_operator.desired.state import Component, Images, Manifest
from holded_operator.desired.workloads import REVISION_HISTORY, disruption_budget

COMPONENT = Component.COLLECTOR
_STARTUP_SECONDS = 120


def objects(pipeline: HoldedPipeline, images: Images, secret_checksums: Mapping[str, str]) -> tuple[Manifest, ...]:
    """Return the collector's objects in apply order."""
    spec = pipeline.spec.collector
    config = config_map(
        pipeline,
        COMPONENT,
        collector_settings(pipeline, version=names.image_version(images.collector)),
        _telemetry(pipeline),
    )
    workload = Workload(
        component=COMPONENT,
        image=images.collector,
        pull_policy=images.pull_policy,
        port=constants.COLLECTOR_PORT,
        startup_seconds=_STARTUP_SECONDS,
        resources=spec.resources,
        template=spec.pod_template,
        pre_stop_seconds=PRE_STOP_SECONDS,
    )
    return (
        config,
        _service(pipeline),
        network_policy(
            pipeline,
            COMPONENT,
            port=constants.COLLECTOR_PORT,
            # Traffic through a node port comes from node and client addresses, which no pod selector matches.
            from_outside=spec.service.type != "ClusterIP",
        ),
        _deployment(pipeline, workload, config, secret_checksums),
        *_autoscaler(pipeline),
        *disruption_budget(pipeline, COMPONENT, most=0 if pipeline.spec.suspend else spec.most_replicas),
    )


def url(pipeline: HoldedPipeline) -> str:
    """Return where events are posted inside the cluster."""
    host = f"{names.child_name(pipeline, COMPONENT)}.{pipeline.metadata.namespace}.svc"
    return f"http://{host}:{constants.COLLECTOR_PORT}/collect"


def _telemetry(pipeline: HoldedPipeline) -> dict[str, str]:
    """Return the SDK's variables; source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/."""
    endpoint = pipeline.spec.monitoring.otlp_endpoint
    return {} if endpoint is None else {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


def _service(pipeline: HoldedPipeline) -> Manifest:
    spec = pipeline.spec.collector.service
    port: dict[str, Any] = {
        "name": PORT_NAME,
        "port": constants.COLLECTOR_PORT,
        "protocol": "TCP",
        "targetPort": PORT_NAME,
    }
    if spec.node_port is not None:
        port["nodePort"] = spec.node_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(
            pipeline, names.child_name(pipeline, COMPONENT), COMPONENT, annotations=spec.annotations
        ),
        "spec": {"type": spec.type, "selector": names.selector_labels(pipeline, COMPONENT), "ports": [port]},
    }


def _deployment(
    pipeline: HoldedPipeline, workload: Workload, config: Manifest, secret_checksums: Mapping[str, str]
) -> Manifest:
    spec: Manifest = {
        "revisionHistoryLimit": REVISION_HISTORY,
        "selector": {"matchLabels": names.selector_labels(pipeline, COMPONENT)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": pod_template(pipeline, workload, config, secret_checksums),
    }
    if pipeline.spec.suspend:
        spec["replicas"] = 0
    elif pipeline.spec.collector.autoscaling is None:
        spec["replicas"] = pipeline.spec.collector.replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(
            pipeline,
            names.child_name(pipeline, COMPONENT),
            COMPONENT,
            version=names.image_version(workload.image),
        ),
        "spec": spec,
    }


def _autoscaler(pipeline: HoldedPipeline) -> tuple[Manifest, ...]:
    autoscaling = pipeline.spec.collector.autoscaling
    if autoscaling is None or pipeline.spec.suspend:
        return ()
    name = names.child_name(pipeline, COMPONENT)
    target = {"type": "Utilization", "averageUtilization": autoscaling.target_cpu_utilization_percentage}
    return (
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": names.metadata(pipeline, name, COMPONENT),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": autoscaling.min_replicas,
                "maxReplicas": autoscaling.max_replicas,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            },
        },
    )
