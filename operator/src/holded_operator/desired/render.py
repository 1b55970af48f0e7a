"""From the resource to everything it owns."""

from collections.abc import Mapping

from holded_operator.api.v1alpha1 import HoldedPipeline, Runner
from holded_operator.desired import collector, flink, names, sink, worker
from holded_operator.desired.pod_monitor import pod_monitors
from holded_operator.desired.secret_use import secret_use
from holded_operator.desired.state import Component, DesiredState, Images
from holded_operator.desired.topics import deletion_plan, subject_specs, topic_specs


def referenced_secrets(pipeline: HoldedPipeline) -> tuple[str, ...]:
    """Return the names of the Secrets the pods use, sorted; all are in the pipeline's namespace."""
    of_flink = flink.secret_names(pipeline) if pipeline.spec.worker.runner is Runner.FLINK else ()
    return tuple(sorted({*of_flink, *(name for part in Component for name in secret_use(pipeline, part).names)}))


def render(
    pipeline: HoldedPipeline,
    *,
    images: Images,
    secret_checksums: Mapping[str, str],
    worker_replicas: int | None = None,
) -> DesiredState:
    """Return all that a pipeline shall have.

    Parameters
    ----------
    pipeline
        A resource without problems (see `holded_operator.validation.validate`).
    images
        What the pods run.
    secret_checksums
        Checksum of each Secret's content by its name; a Secret that does not exist yet is left out.
    worker_replicas
        What the lag asks for; only used with `worker.autoscaling`, whose minimum it falls back to.
    """
    return DesiredState(
        # The sink first: it understands old and new records, so what the worker writes always has a reader.
        objects=(
            *sink.objects(pipeline, images, secret_checksums),
            *worker.objects(pipeline, images, secret_checksums, autoscaled=worker_replicas),
            *collector.objects(pipeline, images, secret_checksums),
            *pod_monitors(pipeline),
        ),
        topics=topic_specs(pipeline),
        subjects=subject_specs(pipeline),
        deletion=deletion_plan(pipeline),
        pipeline_version=worker.pipeline_version(pipeline, images),
        collector_url=collector.url(pipeline),
        worker_replicas=worker.replicas(pipeline, worker_replicas),
        worker_selector=names.selector_text(pipeline, Component.WORKER),
    )
