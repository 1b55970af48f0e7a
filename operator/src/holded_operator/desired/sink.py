"""The sink: a StatefulSet that writes gold."""

from collections.abc import Mapping

from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names
from holded_operator.desired.config_maps import config_map
from holded_operator.desired.network_policy import network_policy
from holded_operator.desired.pods import Workload, pod_template
from holded_operator.desired.settings import sink_settings
from holded_operator.desired.state import Component, Images, Manifest
from holded_operator.desired.workloads import disruption_budget, headless_service, stateful_set

COMPONENT = Component.SINK
_STARTUP_SECONDS = 120


def objects(pipeline: HoldedPipeline, images: Images, secret_checksums: Mapping[str, str]) -> tuple[Manifest, ...]:
    """Return the sink's objects in apply order."""
    spec = pipeline.spec.sink
    config = config_map(pipeline, COMPONENT, sink_settings(pipeline, version=names.image_version(images.sink)))
    workload = Workload(
        component=COMPONENT,
        image=images.sink,
        pull_policy=images.pull_policy,
        port=constants.PROBES_PORT,
        startup_seconds=_STARTUP_SECONDS,
        resources=spec.resources,
        template=spec.pod_template,
    )
    replicas = 0 if pipeline.spec.suspend else spec.replicas
    return (
        config,
        headless_service(pipeline, COMPONENT, constants.PROBES_PORT),
        network_policy(pipeline, COMPONENT, port=constants.PROBES_PORT),
        stateful_set(
            pipeline, COMPONENT, pod_template(pipeline, workload, config, secret_checksums), replicas=replicas
        ),
        *disruption_budget(pipeline, COMPONENT, most=replicas),
    )
