"""What the CRD's schema and CEL rules cannot say about a spec. Pure: no clock, no I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from holded_operator import constants
from holded_operator.api import durations
from holded_operator.api.v1alpha1 import Flink, HoldedPipeline, PodTemplate, Resources, Runner
from holded_operator.api.v1alpha1.workloads import Classification
from holded_operator.desired import FlinkRole, quantities
from holded_operator.desired.flink import configuration
from holded_operator.desired.settings import GRACE_MARGIN_SECONDS
from holded_operator.gateways.interfaces import Body

MAX_EVENT_BYTES = 900_000
"""Largest event that fits a record of Kafka's default size (message.max.bytes) with our fields around it."""

MIN_FLINK_MEBIBYTES = {FlinkRole.JOB_MANAGER: 768, FlinkRole.TASK_MANAGER: 1024}
"""Least memory of Flink's processes: metaspace, network and overhead, with some heap."""

MIN_CANARY_SECONDS = 5
MAX_CANARY_SECONDS = 3600

_PIPELINE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_RESERVED = (f"{constants.GROUP}/", "app.kubernetes.io/")


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of the resource: the field's path from the top, and what to do about it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Problems(tuple[Problem, ...]):
    """Why a resource cannot be reconciled; never empty."""

    __slots__ = ()


def read(body: Body) -> HoldedPipeline | Problems:
    """Return a resource as a pipeline that can be reconciled, or all that keeps it from that."""
    try:
        pipeline = HoldedPipeline.from_body(body)
        problems = validate(pipeline)
    except ValidationError as error:
        return Problems(problems_of(error))
    return Problems(problems) if problems else pipeline


def problems_of(error: ValidationError) -> list[Problem]:
    """Return what HoldedPipeline.from_body refused, for a resource that came past the CRD (e.g. an older CRD)."""
    return [Problem(_path(item["loc"]), item["msg"]) for item in error.errors(include_url=False, include_input=False)]


def validate(pipeline: HoldedPipeline) -> list[Problem]:
    """Return every problem; an empty list means that the pipeline can be reconciled."""
    return [
        *_name(pipeline),
        *_kafka(pipeline),
        *_topics(pipeline),
        *_collector(pipeline),
        *_worker(pipeline),
        *_pods(pipeline),
        *_monitoring(pipeline),
    ]


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


def _name(pipeline: HoldedPipeline) -> Iterator[Problem]:
    name = pipeline.metadata.name
    if len(name) > constants.MAX_NAME_LENGTH or not _PIPELINE_NAME.fullmatch(name):
        yield Problem(
            "metadata.name",
            f"must be at most {constants.MAX_NAME_LENGTH} lower-case letters, digits and hyphens, a letter first:"
            " the names and labels of the children are made from it",
        )


def _kafka(pipeline: HoldedPipeline) -> Iterator[Problem]:
    for server in pipeline.spec.kafka.bootstrap_servers.split(","):
        if not 1 <= int(server.rpartition(":")[2]) <= 65_535:
            yield Problem("spec.kafka.bootstrapServers", f"{server} has no port between 1 and 65535")


def _topics(pipeline: HoldedPipeline) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for field, topic in pipeline.spec.topics:
        path = f"spec.topics.{type(pipeline.spec.topics).model_fields[field].alias}"
        # Kafka refuses names that differ only in dots and underscores: its metrics could not tell them apart.
        key = topic.name.replace(".", "_")
        if key in seen:
            yield Problem(f"{path}.name", f"{topic.name} collides with {seen[key]}: give each topic a name of its own")
        seen.setdefault(key, f"{path}.name")
        in_sync = topic.config.get("min.insync.replicas", "1")
        if not in_sync.isdecimal():
            yield Problem(f"{path}.config", f"min.insync.replicas is {in_sync!r}: give a number")
        elif topic.replication_factor is not None and int(in_sync) > topic.replication_factor:
            yield Problem(
                f"{path}.config",
                f"min.insync.replicas {in_sync} is more than replicationFactor {topic.replication_factor}:"
                " no record could ever be written",
            )


def _collector(pipeline: HoldedPipeline) -> Iterator[Problem]:
    spec = pipeline.spec.collector
    limits, path = spec.limits, "spec.collector.limits"
    if limits.max_event_bytes > MAX_EVENT_BYTES:
        yield Problem(f"{path}.maxEventBytes", f"must be at most {MAX_EVENT_BYTES}: Kafka's records end at 1 MB")
    if limits.max_event_bytes > limits.max_body_bytes:
        yield Problem(f"{path}.maxEventBytes", f"must be at most maxBodyBytes ({limits.max_body_bytes})")
    grace = spec.pod_template.spec.termination_grace_period_seconds
    if limits.delivery_timeout_seconds >= grace - GRACE_MARGIN_SECONDS:
        yield Problem(
            f"{path}.deliveryTimeoutSeconds",
            f"must be less than podTemplate.spec.terminationGracePeriodSeconds ({grace}) minus {GRACE_MARGIN_SECONDS}:"
            " a stopping pod answers its last requests first",
        )


def _worker(pipeline: HoldedPipeline) -> Iterator[Problem]:
    spec = pipeline.spec.worker
    if spec.runner is Runner.FLINK:
        yield from _flink(pipeline)
    if not any(weight > 0 for _, weight in spec.quality.weights):
        yield Problem("spec.worker.quality.weights", "all are 0: give at least one dimension a weight")
    yield from _classification(spec.classification)
    retention = pipeline.spec.topics.silver.retention
    window = durations.seconds(spec.dedup_window)
    if retention != durations.FOREVER and window > durations.seconds(retention):
        yield Problem(
            "spec.worker.dedupWindow",
            f"must be at most topics.silver.retention ({retention}): a worker that starts reads the window from silver",
        )


def _flink(pipeline: HoldedPipeline) -> Iterator[Problem]:
    path, spec = "spec.worker.flink", pipeline.spec.worker.flink or Flink()
    for name, role, pods in (
        ("jobManager", FlinkRole.JOB_MANAGER, spec.job_manager),
        ("taskManager", FlinkRole.TASK_MANAGER, spec.task_manager),
    ):
        yield from _resources(f"{path}.{name}.resources", pods.resources)
        if configuration.memory_limits(pipeline)[role] < MIN_FLINK_MEBIBYTES[role]:
            yield Problem(
                f"{path}.{name}.resources.limits.memory",
                f"must be at least {MIN_FLINK_MEBIBYTES[role]}Mi: Flink's own parts take most of that",
            )
    if spec.state.url is None and quantities.value(spec.state.size) <= 0:
        yield Problem(f"{path}.state.size", f"{spec.state.size} holds nothing: give a size such as 10Gi")
    for key in sorted(spec.configuration.keys() & configuration.reserved(pipeline)):
        yield Problem(f"{path}.configuration", f"{key} is the operator's: take it out")


def _classification(classification: Classification) -> Iterator[Problem]:
    path = "spec.worker.classification.rules"
    everything = next(
        (
            number
            for number, rule in enumerate(classification.rules)
            if not rule.domains and not rule.entities and not rule.actions
        ),
        None,
    )
    if everything is not None and everything + 1 < len(classification.rules):
        yield Problem(
            f"{path}[{everything}]", "matches every event, so the rules after it are never tried: put it last"
        )


def _pods(pipeline: HoldedPipeline) -> Iterator[Problem]:
    spec = pipeline.spec
    for name, component in (("collector", spec.collector), ("worker", spec.worker), ("sink", spec.sink)):
        yield from _resources(f"spec.{name}.resources", component.resources)
        yield from _template(f"spec.{name}.podTemplate", component.pod_template)


def _monitoring(pipeline: HoldedPipeline) -> Iterator[Problem]:
    period = pipeline.spec.monitoring.canary.period
    if not MIN_CANARY_SECONDS <= durations.seconds(period) <= MAX_CANARY_SECONDS:
        yield Problem(
            "spec.monitoring.canary.period",
            f"{period} is not from 5s to 1h: more often is load, less often tells of a fault too late;"
            " for none set enabled: false",
        )


def _resources(path: str, resources: Resources) -> Iterator[Problem]:
    for name in sorted(resources.requests.keys() & resources.limits.keys()):
        request, limit = resources.requests[name], resources.limits[name]
        if quantities.value(request) > quantities.value(limit):
            yield Problem(f"{path}.requests.{name}", f"{request} is more than its limit {limit}")


def _template(path: str, template: PodTemplate) -> Iterator[Problem]:
    for field, keys, reserved in (
        ("metadata.labels", template.metadata.labels, _RESERVED),
        ("metadata.annotations", template.metadata.annotations, _RESERVED[:1]),
        ("spec.nodeSelector", template.spec.node_selector, ()),
    ):
        for key in sorted(keys):
            if key.startswith(reserved):
                yield Problem(f"{path}.{field}", f"{key} is the operator's: choose a key of your own")
            if not _LABEL_KEY.fullmatch(key):
                yield Problem(f"{path}.{field}", f"{key!r} is not a key: [prefix/]name, the name of 1 to 63 characters")
