"""The worker: a StatefulSet, of consumer-group members or, with runner Flink, of what keeps a job running there."""

from collections.abc import Mapping

from holded_contracts.settings import WorkerSettings
from holded_operator import constants
from holded_operator.api.v1alpha1 import HoldedPipeline, Runner, Worker
from holded_operator.desired import flink, names
from holded_operator.desired.config_maps import config_map
from holded_operator.desired.network_policy import network_policy
from holded_operator.desired.pods import Workload, digest, pod_template
from holded_operator.desired.settings import worker_settings
from holded_operator.desired.state import Component, Images, Manifest
from holded_operator.desired.workloads import disruption_budget, headless_service, stateful_set

COMPONENT = Component.WORKER
_STARTUP_SECONDS = 300


def objects(
    pipeline: HoldedPipeline, images: Images, secret_checksums: Mapping[str, str], *, autoscaled: int | None
) -> tuple[Manifest, ...]:
    """Return the worker's objects in apply order; `autoscaled` is what the lag asks for, if that decides."""
    config = config_map(pipeline, COMPONENT, _settings(pipeline, images))
    shared = (
        config,
        headless_service(pipeline, COMPONENT, constants.PROBES_PORT),
        network_policy(pipeline, COMPONENT, port=constants.PROBES_PORT),
    )
    running = replicas(pipeline, autoscaled)
    if pipeline.spec.worker.runner is Runner.FLINK:
        return *shared, *flink.objects(pipeline, images, config, secret_checksums, replicas=running)
    return *shared, *_embedded(pipeline, images, config, secret_checksums, running)


def _embedded(
    pipeline: HoldedPipeline, images: Images, config: Manifest, secret_checksums: Mapping[str, str], running: int
) -> tuple[Manifest, ...]:
    spec = pipeline.spec.worker
    workload = Workload(
        component=COMPONENT,
        image=images.worker,
        pull_policy=images.pull_policy,
        port=constants.PROBES_PORT,
        startup_seconds=_STARTUP_SECONDS,
        resources=spec.resources,
        template=spec.pod_template,
    )
    most = spec.autoscaling.max_replicas if spec.autoscaling else spec.replicas
    return (
        stateful_set(pipeline, COMPONENT, pod_template(pipeline, workload, config, secret_checksums), replicas=running),
        *disruption_budget(pipeline, COMPONENT, most=0 if pipeline.spec.suspend else most),
    )


def _settings(pipeline: HoldedPipeline, images: Images) -> WorkerSettings:
    version = pipeline_version(pipeline, images)
    on_flink = pipeline.spec.worker.runner is Runner.FLINK
    return worker_settings(pipeline, version=version, flink=flink.settings(pipeline) if on_flink else None)


def replicas(pipeline: HoldedPipeline, autoscaled: int | None) -> int:
    """Return the number of worker pods: none when suspended, the lag's with autoscaling, else the spec's."""
    spec = pipeline.spec.worker
    if pipeline.spec.suspend:
        return 0
    if spec.autoscaling is None:
        return spec.replicas
    return spec.autoscaling.min_replicas if autoscaled is None else autoscaled


def pipeline_version(pipeline: HoldedPipeline, images: Images) -> str:
    """Return what every row carries: the version of the worker's code, +, and the digest of the rules it worked by."""
    return f"{names.image_version(images.worker)}+{rules_digest(pipeline.spec.worker)}"


def rules_digest(spec: Worker) -> str:
    """Return 16 hexadecimal digits for all that decides, beside the code, what an event becomes."""
    return digest(
        {
            "rules": [rule.model_dump(mode="json") for rule in spec.classification.rules],
            "weights": spec.quality.weights.model_dump(mode="json"),
            "maxStringLength": spec.max_string_length,
        }
    )
