"""An API server in memory, as the operator sees it."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from holded_operator.constants import LABEL_COMPONENT
from holded_operator.desired.state import FlinkRole, pod_template, replicas_of
from holded_operator.exceptions import ForbiddenError, OperatorError, StaleObjectError
from holded_operator.gateways.interfaces import (
    Applied,
    Body,
    Change,
    Versions,
    is_owned_by,
)
from holded_operator.gateways.objects import digest, refuse_foreign
from tests.support.fake_writes import Fake, Writes


class FakeKubernetes(Fake):
    """An API server with one namespace's worth of state, that does what the controllers would do when asked to."""

    def __init__(self, writes: Writes) -> None:
        super().__init__(writes)
        self.pipelines: dict[str, Body] = {}
        self.objects: dict[tuple[str, str], Body] = {}
        self.rendered: dict[tuple[str, str], Body] = {}
        self.secrets: dict[str, dict[str, bytes]] = {}
        self.pods: list[Body] = []
        self.events: list[tuple[str, str, str]] = []
        self.refusals: dict[str, OperatorError] = {}
        """By kind: raised when an object of it is applied."""
        self.warnings: list[Body] = []
        """Events (core/v1) that a person finds."""
        self.operator_pods: list[Body] = []
        self.logs: dict[str, str] = {}
        """By pod."""
        self.readable_secrets = True
        self._uids = 0

    # -- what users and controllers do --

    def create(self, body: Body) -> None:
        self._uids += 1
        metadata = {"uid": f"cr-{self._uids}", "generation": 1, "resourceVersion": "1", **body["metadata"]}
        self.pipelines[metadata["name"]] = {**copy.deepcopy(body), "metadata": metadata}

    def edit(self, name: str, **spec: Any) -> None:
        body = self.pipelines[name]
        body["spec"] = {**body["spec"], **spec}
        body["metadata"]["generation"] += 1

    def request_deletion(self, name: str) -> None:
        body = self.pipelines[name]
        body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        if not body["metadata"].get("finalizers"):
            self._collect(name)

    def make_ready(self) -> None:
        """Let every workload's pods be ready, as the kubelet would."""
        for (kind, _), item in self.objects.items():
            if kind in {"Deployment", "StatefulSet"}:
                replicas = item["spec"].get("replicas", 1)
                item["status"] = {
                    "observedGeneration": item["metadata"]["generation"],
                    "replicas": replicas,
                    "readyReplicas": replicas,
                    "updatedReplicas": replicas,
                }
            elif kind == "FlinkDeployment":
                self.take_up(item)

    def take_up(self, deployment: Body) -> None:
        """Do what the Flink Kubernetes Operator does: make the pods, tell of the JobManager."""
        generation = deployment["metadata"]["generation"]
        deployment["status"] = {"observedGeneration": generation, "jobManagerDeploymentStatus": "READY"}
        self._stop_flink()
        for role in FlinkRole:
            labels = pod_template(deployment, role)["metadata"]["labels"]
            name = f"{deployment['metadata']['name']}-{role}"
            self.pods += [
                {
                    "metadata": {"name": f"{name}-{number}", "labels": labels},
                    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
                }
                for number in range(replicas_of(deployment, role))
            ]

    def finish_foreground_deletions(self) -> None:
        for key, item in list(self.objects.items()):
            if item["metadata"].get("deletionTimestamp"):
                del self.objects[key]
                if key[0] == "FlinkDeployment":
                    self._stop_flink()

    def _stop_flink(self) -> None:
        self.pods = [pod for pod in self.pods if pod["metadata"]["labels"][LABEL_COMPONENT] not in set(FlinkRole)]

    def _collect(self, name: str) -> None:
        uid = self.pipelines.pop(name)["metadata"]["uid"]
        self.objects = {key: item for key, item in self.objects.items() if not is_owned_by(item, uid)}

    # -- the gateway --

    def get_pipeline(self, namespace: str, name: str) -> Body | None:
        self.call()
        return copy.deepcopy(self.pipelines.get(name))

    def list_pipelines(self, namespaces: Sequence[str]) -> list[tuple[str, str]]:
        self.call()
        return [(body["metadata"]["namespace"], name) for name, body in self.pipelines.items()]

    def read_pipelines(self, namespaces: Sequence[str]) -> list[Body]:
        self.call()
        return [copy.deepcopy(body) for body in self.pipelines.values()]

    def versions(self, namespaces: Sequence[str]) -> dict[str, Versions]:
        self.call()
        return {
            body["metadata"]["uid"]: frozenset(
                {(body["metadata"]["uid"], body["metadata"]["resourceVersion"])}
                | {
                    (item["metadata"]["uid"], self._versioned(item)["metadata"]["resourceVersion"])
                    for item in self.objects.values()
                    if is_owned_by(item, body["metadata"]["uid"])
                }
            )
            for body in self.pipelines.values()
        }

    def set_finalizers(self, pipeline: Body, finalizers: Sequence[str]) -> Body | None:
        self.call()
        self.writes.begin("finalizers")
        name = pipeline["metadata"]["name"]
        live = self.pipelines.get(name)
        if live is None:
            return None
        if live["metadata"]["resourceVersion"] != pipeline["metadata"]["resourceVersion"]:
            raise StaleObjectError(name)
        self._touch(live)
        live["metadata"]["finalizers"] = list(finalizers)
        if live["metadata"].get("deletionTimestamp") and not finalizers:
            self._collect(name)
        self.writes.end("finalizers")
        return copy.deepcopy(live)

    def write_status(self, pipeline: Body, status: Body) -> Body | None:
        self.call()
        self.writes.begin("status")
        live = self.pipelines[pipeline["metadata"]["name"]]
        live["status"] = copy.deepcopy(status)
        self._touch(live)
        self.writes.end("status")
        return copy.deepcopy(live)

    def read_secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        self.call()
        if not self.readable_secrets:
            raise ForbiddenError(f"Secret {name}", "no right to it")
        return self.secrets.get(name)

    def list_children(self, pipeline: Body) -> list[Body]:
        self.call()
        uid = pipeline["metadata"]["uid"]
        return [self._versioned(item) for item in self.objects.values() if is_owned_by(item, uid)]

    def list_pods(self, pipeline: Body, component: str) -> list[Body]:
        self.call()
        return [pod for pod in self.pods if pod["metadata"]["labels"].get("app.kubernetes.io/component") == component]

    def get(self, template: Body) -> Body | None:
        self.call()
        return copy.deepcopy(self.objects.get((template["kind"], template["metadata"]["name"])))

    def apply(self, pipeline: Body, wanted: Body, live: Body | None) -> Applied:
        self.call()
        if wanted["kind"] in self.refusals:
            raise self.refusals[wanted["kind"]]
        if live is not None:
            refuse_foreign(pipeline, live)
        key = (wanted["kind"], wanted["metadata"]["name"])
        current = self.objects.get(key)
        if current is not None and _holds(current, wanted) and self.rendered.get(key) == wanted:
            return Applied(Change.UNCHANGED, copy.deepcopy(current))
        self.writes.begin(f"apply {key[0]} {key[1]}")
        merged = copy.deepcopy(wanted)
        if current is None:
            self._uids += 1
            merged["metadata"] |= {"uid": f"object-{self._uids}", "generation": 1}
        else:
            before = current["metadata"]
            merged["metadata"] |= {"uid": before["uid"], "generation": before["generation"] + 1}
            merged["status"] = current.get("status", {})
        self.objects[key] = merged
        self.rendered[key] = copy.deepcopy(wanted)
        self.writes.end(f"apply {key[0]} {key[1]}")
        return Applied(Change.CREATED if current is None else Change.UPDATED, copy.deepcopy(merged))

    def delete(self, live: Body, *, wait_for_dependents: bool = False) -> None:
        self.call()
        what = f"delete {live['kind']} {live['metadata']['name']}"
        self.writes.begin(what)
        key = (live["kind"], live["metadata"]["name"])
        if wait_for_dependents and key in self.objects:
            self.objects[key]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            self.objects.pop(key, None)
        self.writes.end(what)

    def emit(self, pipeline: Body, *, kind: str, reason: str, message: str) -> None:
        self.events.append((kind, reason, message))

    # -- what people ask beyond the operator --

    def served(self) -> bool:
        self.call()
        return True

    def version(self) -> str:
        self.call()
        return "v1.34.0"

    def preview(self, wanted: Body) -> Body:
        self.call()
        if wanted["kind"] in self.refusals:
            raise self.refusals[wanted["kind"]]
        before = self.objects.get((wanted["kind"], wanted["metadata"]["name"]), {"metadata": {"uid": "new"}})
        return copy.deepcopy(wanted | {"metadata": wanted["metadata"] | {"uid": before["metadata"]["uid"]}})

    def preview_pipeline(self, body: Body, live: Body | None) -> Body:
        self.call()
        if body["kind"] in self.refusals:
            raise self.refusals[body["kind"]]
        metadata = {"uid": "new", "generation": 1} if live is None else live["metadata"]
        return copy.deepcopy(body | {"metadata": metadata | body["metadata"]})

    def list_events(self, namespace: str) -> list[Body]:
        self.call()
        return copy.deepcopy(self.warnings)

    def list_operator_pods(self) -> list[Body]:
        self.call()
        return copy.deepcopy(self.operator_pods)

    def read_log(self, pod: Body, container: str, *, lines: int, previous: bool = False) -> str:
        self.call()
        return self.logs.get(pod["metadata"]["name"], "")

    @staticmethod
    def _versioned(item: Body) -> Body:
        """Return a copy with a version that is another one for each content."""
        versioned = copy.deepcopy(item)
        versioned["metadata"]["resourceVersion"] = digest(item)
        return versioned

    @staticmethod
    def _touch(live: Body) -> None:
        live["metadata"]["resourceVersion"] = str(int(live["metadata"]["resourceVersion"]) + 1)


def _holds(live: Any, wanted: Any) -> bool:
    """Tell whether a live value still has all that was rendered."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and _holds(live[key], value) for key, value in wanted.items())
    return bool(live == wanted)
