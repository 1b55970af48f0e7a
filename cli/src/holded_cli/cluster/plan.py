"""What would change if a resource were applied, from what is and what the API server says would be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from holded_cli.cluster.difference import Difference, differences
from holded_cli.cluster.pods import component_of
from holded_cli.cluster.status import status_of
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.config import OperatorConfig
from holded_operator.config import images as configured_images
from holded_operator.constants import ANNOTATION_SECRET_CHECKSUM
from holded_operator.desired import (
    Component,
    DesiredState,
    FlinkRole,
    Images,
    Manifest,
    Part,
    desired_replicas,
    referenced_secrets,
    render,
)
from holded_operator.desired.flink.submitter import JOB_SERVER
from holded_operator.desired.state import (
    FLINK_DEPLOYMENT,
    WORKLOAD_KINDS,
    parts_of,
    pod_template,
    replicas_of,
    with_pod_template,
)
from holded_operator.exceptions import (
    FlinkOperatorMissingError,
    ForbiddenError,
    ObjectConflictError,
    ObjectRejectedError,
    ObjectTerminatingError,
    TopicClaimedError,
)
from holded_operator.gateways.interfaces import Body, InspectionGateway, object_id
from holded_operator.gateways.objects import content, refuse_foreign
from holded_operator.steps.claims import Claims
from holded_operator.steps.topics import contradictions
from holded_operator.steps.workloads import Children
from holded_operator.validation import problems_of, validate

KAFKA_NOT_ASKED = "topics and subjects: compared with the resource's status; Kafka and the registry were not asked"
SECRETS_NOT_READ = "Secrets: not read; a changed one rolls its pods by itself"


class Action(StrEnum):
    """What would happen to an object, a topic or a subject."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Step:
    """What would happen to one thing."""

    action: Action
    what: str
    differences: tuple[Difference, ...] = ()
    detail: str = ""
    replaced_pods: int = 0
    """Pods that would be replaced, because their template changes."""

    def as_json(self) -> dict[str, Any]:
        """Return the step as a document."""
        changes = [item.as_json() for item in self.differences]
        return {
            "action": self.action.value,
            "what": self.what,
            "changes": changes,
            "detail": self.detail,
            "replacedPods": self.replaced_pods,
        }


@dataclass(frozen=True)
class Plan:
    """What would change; with problems, nothing would."""

    name: str
    problems: tuple[str, ...] = ()
    resource: Step | None = None
    objects: tuple[Step, ...] = ()
    outside: tuple[Step, ...] = ()
    """Topics and subjects."""
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps."""
        return (*(() if self.resource is None else (self.resource,)), *self.objects, *self.outside)

    @property
    def changes(self) -> bool:
        """Whether anything would change."""
        return any(step.action is not Action.UNCHANGED for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a document."""
        return {
            "name": self.name,
            "problems": list(self.problems),
            "changes": self.changes,
            "resource": None if self.resource is None else self.resource.as_json(),
            "objects": [step.as_json() for step in self.objects],
            "topicsAndSubjects": [step.as_json() for step in self.outside],
            "notes": list(self.notes),
        }


def make_plan(gateway: InspectionGateway, body: Body) -> Plan:
    """Return what applying the resource would change. Nothing is written: the API server is asked by dry runs."""
    name = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
    live = gateway.get_pipeline(body["metadata"]["namespace"], body["metadata"]["name"])
    try:
        answer = gateway.preview_pipeline(body, live)
    except ObjectRejectedError as error:
        return Plan(name, problems=(*_problems(body), str(error)))
    problems = _problems(answer)
    if problems:
        return Plan(name, problems=problems)
    pipeline = HoldedPipeline.from_body(answer)
    children = Children(() if live is None else tuple(gateway.list_children(live)))
    images, origin = _images(children)
    desired = _carry_over(_render(pipeline, images, children), children)
    found, refused, ignored = _objects(gateway, answer, desired, children)
    claimed, note = _claims(gateway, pipeline, answer, desired)
    before = None if live is None else _readable(live)
    return Plan(
        name,
        problems=(*refused, *claimed, *_impossible(desired, live)),
        resource=_resource(live, answer),
        objects=(*found, *_deletions(desired, children)),
        outside=(*_topics(desired, live, before), *_subjects(desired, live, before)),
        notes=(origin, KAFKA_NOT_ASKED, SECRETS_NOT_READ, *note, *ignored),
    )


def _problems(body: Body) -> tuple[str, ...]:
    try:
        return tuple(str(problem) for problem in validate(HoldedPipeline.from_body(body)))
    except ValidationError as error:
        return tuple(str(problem) for problem in problems_of(error))


def _readable(live: Body) -> DesiredState | None:
    """Return what the live resource asks for outside Kubernetes; None if this version cannot read it."""
    try:
        pipeline = HoldedPipeline.from_body(live)
    except ValidationError:
        return None
    return render(pipeline, images=configured_images(OperatorConfig()), secret_checksums={})


# -- what the operator would render -----------------------------------------------------------------------------------


def _images(children: Children) -> tuple[Images, str]:
    """Return the images that run, else the operator's defaults; and which of them it is."""
    default = configured_images(OperatorConfig())
    running: dict[str, str] = {}
    for component in Component:
        workload = children.workload(component)
        if workload is not None:
            container = workload["spec"]["template"]["spec"]["containers"][0]
            running |= {component.value: container["image"], "pull_policy": container["imagePullPolicy"]}
    running |= {
        image: entry["image"]
        for part in (Component.WORKER, FlinkRole.JOB_MANAGER)
        for entry in _containers(children.workload(part), part)
        for name, image in ((FlinkRole.JOB_MANAGER, "flink"), (JOB_SERVER, "flink_job_server"))
        if entry["name"] == name
    }
    if (cluster := children.workload(FlinkRole.JOB_MANAGER)) is not None and cluster["kind"] == FLINK_DEPLOYMENT:
        running["flink"] = cluster["spec"]["image"]
    if not running:
        return default, "images: this version's defaults, since nothing runs yet; the operator's may be others"
    return replace(default, **running), "images: those that run now"


def _containers(workload: Body | None, part: Part) -> list[Body]:
    found: list[Body] = [] if workload is None else pod_template(workload, part)["spec"]["containers"]
    return found


def _render(pipeline: HoldedPipeline, images: Images, children: Children) -> DesiredState:
    autoscaling, current = pipeline.spec.worker.autoscaling, children.replicas(Component.WORKER)
    workers = None
    if autoscaling is not None and current is not None:
        partitions = pipeline.spec.topics.raw.partitions
        workers = desired_replicas(autoscaling, current=current, lag=None, partitions=partitions)
    checksums = dict.fromkeys(referenced_secrets(pipeline), "unknown")
    return render(pipeline, images=images, secret_checksums=checksums, worker_replicas=workers)


def _carry_over(desired: DesiredState, children: Children) -> DesiredState:
    """Return the desired state with the checksums of the Secrets as they are in the running pods' templates."""

    def carried(wanted: Manifest) -> Manifest:
        live = children.find(wanted["kind"], wanted["metadata"]["name"])
        if live is None or wanted["kind"] not in WORKLOAD_KINDS:
            return wanted
        for part in parts_of(wanted):
            template = pod_template(wanted, part)
            annotations = dict(template["metadata"].get("annotations") or {})
            known = (pod_template(live, part)["metadata"].get("annotations") or {}).get(ANNOTATION_SECRET_CHECKSUM)
            if annotations.pop(ANNOTATION_SECRET_CHECKSUM, None) is None:
                continue
            if known:
                annotations[ANNOTATION_SECRET_CHECKSUM] = known
            metadata = template["metadata"] | {"annotations": annotations}
            wanted = with_pod_template(wanted, part, template | {"metadata": metadata})  # noqa: PLW2901
        return wanted

    return replace(desired, objects=tuple(carried(wanted) for wanted in desired.objects))


# -- what would happen ------------------------------------------------------------------------------------------------


def _resource(live: Body | None, answer: Body) -> Step:
    what = object_id(answer)
    if live is None:
        return Step(Action.CREATE, what)
    found = tuple(differences(live["spec"], answer["spec"], "spec"))
    return Step(Action.CHANGE if found else Action.UNCHANGED, what, found)


def _objects(
    gateway: InspectionGateway, body: Body, desired: DesiredState, children: Children
) -> tuple[list[Step], list[str], list[str]]:
    """Return the steps, what would be refused, and what would be refused without keeping the pipeline from Ready."""
    steps: list[Step] = []
    refused: list[str] = []
    ignored: list[str] = []
    for wanted in desired.objects:
        live = children.find(wanted["kind"], wanted["metadata"]["name"]) or gateway.get(wanted)
        try:
            if live is not None:
                refuse_foreign(body, live)
            steps.append(_object(live, gateway.preview(wanted)))
        except (
            FlinkOperatorMissingError,
            ObjectConflictError,
            ObjectTerminatingError,
            ObjectRejectedError,
        ) as error:
            component = component_of(wanted)
            if component is None:
                ignored.append(f"the pipeline runs without it: {error}")
            else:
                refused.append(f"{component}: {error}")
    return steps, refused, ignored


def _object(live: Body | None, answer: Body) -> Step:
    what = object_id(answer)
    if live is None:
        return Step(Action.CREATE, what)
    before, after = content(live), content(answer)
    found = tuple(differences(before, after))
    if not found:
        return Step(Action.UNCHANGED, what)
    pods = sum(_replaced(live, answer, part) for part in parts_of(live)) if live["kind"] in WORKLOAD_KINDS else 0
    return Step(Action.CHANGE, what, found, replaced_pods=pods)


def _replaced(live: Body, answer: Body, part: Part) -> int:
    """Return how many pods of a part are replaced; the Flink Kubernetes Operator replaces all for any change."""
    if live["kind"] == FLINK_DEPLOYMENT:
        rolls = live["spec"] != answer["spec"]
    else:
        rolls = pod_template(live, part) != pod_template(answer, part)
    return min(replicas_of(item, part) for item in (live, answer)) if rolls else 0


def _deletions(desired: DesiredState, children: Children) -> Iterator[Step]:
    for live in children.objects:
        gone = live["metadata"].get("deletionTimestamp") is not None
        if not gone and desired.find(live["kind"], live["metadata"]["name"]) is None:
            yield Step(Action.DELETE, object_id(live))


def _partitions(live: Body | None) -> Mapping[str, int]:
    return {} if live is None else {topic.name: topic.partitions for topic in status_of(live).topics}


def _impossible(desired: DesiredState, live: Body | None) -> Iterator[str]:
    """Yield what Kafka cannot do, as the operator's condition would say it; an unknown topic is taken as asked for."""
    asked = {spec.name: spec.partitions for spec in desired.topics}
    return (str(error) for error in contradictions(desired.topics, {**asked, **_partitions(live)}))


def _topics(desired: DesiredState, live: Body | None, before: DesiredState | None) -> Iterator[Step]:
    known = _partitions(live)
    settings = {} if before is None else {spec.name: dict(spec.config) for spec in before.topics}
    for spec in desired.topics:
        what, now = f"topic {spec.name}", known.get(spec.name)
        if not spec.managed:
            yield Step(Action.UNCHANGED, what, detail="managed: false, it is only read")
        elif now is None:
            yield Step(Action.CREATE, what, detail=f"{spec.partitions} partitions, unless it exists")
        else:
            config = dict(spec.config)
            found = tuple(differences(settings.get(spec.name, config), config, "config"))
            if now < spec.partitions:
                found = (Difference("partitions", now, spec.partitions), *found)
            yield Step(Action.CHANGE if found else Action.UNCHANGED, what, found)


def _subjects(desired: DesiredState, live: Body | None, before: DesiredState | None) -> Iterator[Step]:
    known = set() if live is None else {subject.name for subject in status_of(live).subjects}
    levels = {} if before is None else {spec.name: spec.compatibility for spec in before.subjects}
    for spec in desired.subjects:
        what, level = f"subject {spec.name}", levels.get(spec.name, spec.compatibility)
        if spec.name not in known:
            yield Step(Action.CREATE, what, detail="registered, unless it is there already")
        else:
            found = tuple(differences(level, spec.compatibility, "compatibility"))
            yield Step(Action.CHANGE if found else Action.UNCHANGED, what, found)


def _claims(
    gateway: InspectionGateway, pipeline: HoldedPipeline, body: Body, desired: DesiredState
) -> tuple[list[str], list[str]]:
    """Return topics that an older pipeline has, and a note when not all pipelines may be read."""
    try:
        others = Claims(lambda: gateway.read_pipelines([]))
        others.refresh()
        others.check(pipeline, body, desired.topics)
    except TopicClaimedError as error:
        return [str(error)], []
    except ForbiddenError as error:
        return [], [f"topics of other pipelines: not compared, {error}"]
    return [], []
