"""The Kubernetes gateway against a scripted API server: what it sends, what it leaves out, how it names faults."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from holded_operator.exceptions import (
    FlinkOperatorMissingError,
    ForbiddenError,
    KubernetesUnavailableError,
    ObjectConflictError,
    ObjectRejectedError,
    ObjectTerminatingError,
    OperatorError,
    StaleObjectError,
)
from holded_operator.gateways.interfaces import Change
from holded_operator.gateways.kubernetes import KubernetesApi
from holded_operator.gateways.objects import fingerprint

OWNER = {"apiVersion": "holded.dev/v1alpha1", "kind": "HoldedPipeline", "name": "demo", "uid": "u1", "controller": True}
LABELS = {"app.kubernetes.io/instance": "demo", "app.kubernetes.io/managed-by": "holded-operator"}
PIPELINE: dict[str, Any] = {
    "kind": "HoldedPipeline",
    "metadata": {"name": "demo", "namespace": "tests", "uid": "u1", "resourceVersion": "7"},
}
WANTED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "demo-sink", "namespace": "tests", "labels": LABELS, "ownerReferences": [OWNER]},
    "data": {"A": "1"},
}


@dataclass
class Request:
    method: str
    path: str
    body: Any
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def is_write(self) -> bool:
        return self.method != "GET" and self.query.get("dryRun") != "All"


@dataclass
class ScriptedApi:
    """Stands for the client library's ApiClient; answers each request by a function of it."""

    answer: Callable[[Request], tuple[int, Any]]
    requests: list[Request] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """Of every answer."""
    configuration: Any = field(default_factory=lambda: SimpleNamespace(host="https://api"))

    def param_serialize(self, method: str, path: str, **options: Any) -> tuple[Request]:
        return (Request(method, path, options["body"], dict(options["query_params"]), options["header_params"]),)

    def call_api(self, request: Request, **_: Any) -> Any:
        self.requests.append(request)
        status, document = self.answer(request)
        return SimpleNamespace(status=status, headers=self.headers, read=lambda: json.dumps(document).encode())


def live(**changes: Any) -> dict[str, Any]:
    """Return the object as the server keeps it: defaulted, with its own bookkeeping."""
    item = copy.deepcopy(WANTED)
    item["metadata"] |= {"uid": "o1", "resourceVersion": "1", "managedFields": [{}], "creationTimestamp": "now"}
    return item | changes


def test_an_object_that_is_there_already_is_not_written_and_is_remembered() -> None:
    api = ScriptedApi(lambda request: (200, live()))
    gateway = KubernetesApi(api)
    assert gateway.apply(PIPELINE, WANTED, live()).change is Change.UNCHANGED
    assert [request.query.get("dryRun") for request in api.requests] == ["All"]
    assert gateway.apply(PIPELINE, WANTED, live()).change is Change.UNCHANGED
    assert len(api.requests) == 1, "the second time, not even a dry run"


def test_drift_is_found_by_the_servers_own_merge_and_written() -> None:
    api = ScriptedApi(lambda request: (200, live()))
    gateway = KubernetesApi(api)
    gateway.apply(PIPELINE, WANTED, live())
    drifted = live(data={"A": "2"})
    assert gateway.apply(PIPELINE, WANTED, drifted).change is Change.UPDATED
    assert sum(request.is_write for request in api.requests) == 1
    assert api.requests[-1].headers["Content-Type"] == "application/apply-patch+yaml"
    assert api.requests[-1].query == {"fieldManager": "holded-operator", "force": "true"}


def test_a_field_of_others_is_looked_at_once_and_left() -> None:
    annotated = live()
    annotated["metadata"]["annotations"] = {"somebody": "else"}
    api = ScriptedApi(lambda request: (200, annotated))
    gateway = KubernetesApi(api)
    for _ in range(3):
        assert gateway.apply(PIPELINE, WANTED, annotated).change is Change.UNCHANGED
    assert len(api.requests) == 1
    assert not any(request.is_write for request in api.requests)


def test_a_missing_object_is_created_without_a_dry_run() -> None:
    api = ScriptedApi(lambda request: (201, live()))
    assert KubernetesApi(api).apply(PIPELINE, WANTED, None).change is Change.CREATED
    assert [request.is_write for request in api.requests] == [True]


def test_the_fingerprint_ignores_status_and_bookkeeping_only() -> None:
    other = live(status={"replicas": 1})
    other["metadata"] |= {"resourceVersion": "2", "managedFields": [], "generation": 3}
    assert fingerprint(other) == fingerprint(live())
    assert fingerprint(live(data={})) != fingerprint(live())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"deletionTimestamp": "now"}, ObjectTerminatingError),
        ({"ownerReferences": [{**OWNER, "uid": "older"}]}, ObjectTerminatingError),
        ({"ownerReferences": [{**OWNER, "kind": "Other", "uid": "x"}]}, ObjectConflictError),
        ({"ownerReferences": [], "labels": {}}, ObjectConflictError),
    ],
    ids=["terminating", "of a deleted namesake", "controlled by another", "not made by us"],
)
def test_what_is_not_ours_is_never_written(change: dict[str, Any], error: type[OperatorError]) -> None:
    foreign = live()
    foreign["metadata"] |= change
    api = ScriptedApi(lambda request: (200, foreign))
    with pytest.raises(error, match="demo-sink"):
        KubernetesApi(api).apply(PIPELINE, WANTED, foreign)
    assert api.requests == []


def test_an_orphan_of_ours_is_adopted() -> None:
    orphan = live()
    del orphan["metadata"]["ownerReferences"]
    api = ScriptedApi(lambda request: (200, live()))
    assert KubernetesApi(api).apply(PIPELINE, WANTED, orphan).change is Change.UPDATED


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ObjectRejectedError),
        (401, ForbiddenError),
        (403, ForbiddenError),
        (409, StaleObjectError),
        (410, StaleObjectError),
        (422, ObjectRejectedError),
        (429, KubernetesUnavailableError),
        (500, KubernetesUnavailableError),
        (503, KubernetesUnavailableError),
    ],
)
def test_every_answer_of_the_server_has_its_error(status: int, error: type[OperatorError]) -> None:
    api = ScriptedApi(lambda request: (status, {"message": "because"}))
    with pytest.raises(error):
        KubernetesApi(api).apply(PIPELINE, WANTED, None)


def test_a_broken_connection_names_the_address() -> None:
    def broken(request: Request) -> tuple[int, Any]:
        raise urllib3.exceptions.ProtocolError("reset")

    with pytest.raises(KubernetesUnavailableError, match="https://api cannot be reached"):
        KubernetesApi(ScriptedApi(broken)).get_pipeline("tests", "demo")


def test_absence_is_none() -> None:
    gateway = KubernetesApi(ScriptedApi(lambda request: (404, {})))
    assert gateway.get_pipeline("tests", "demo") is None
    assert gateway.read_secret("tests", "nosuch") is None
    assert gateway.get(WANTED) is None
    assert gateway.set_finalizers(PIPELINE, []) is None
    gateway.delete(live())
    assert not gateway.served()


def test_children_are_those_with_our_uid_and_unknown_optional_kinds_are_no_fault() -> None:
    def answer(request: Request) -> tuple[int, Any]:
        if "podmonitors" in request.path:
            return 404, {}
        namesake = live()
        namesake["metadata"] = {**namesake["metadata"], "ownerReferences": [{**OWNER, "uid": "older"}]}
        return 200, {"items": [live(), namesake] if "configmaps" in request.path else []}

    api = ScriptedApi(answer)
    children = KubernetesApi(api).list_children(PIPELINE)
    assert [child["metadata"]["uid"] for child in children] == ["o1"]
    assert children[0]["kind"] == "ConfigMap"
    assert {request.path.split("/")[-1] for request in api.requests}.isdisjoint({"secrets"})


FLINK_DEPLOYMENT = WANTED | {"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "spec": {}}
FLINK_DEPLOYMENT.pop("data")


def asked(api: ScriptedApi, plural: str) -> int:
    """Return how often a kind was listed since the last time."""
    found = sum(request.path.endswith(f"/{plural}") for request in api.requests)
    api.requests.clear()
    return found


@pytest.mark.parametrize("look", ["children", "versions"])
def test_a_kind_that_is_not_served_is_not_listed_again_for_ten_minutes(look: str) -> None:
    now = [100.0]
    api = ScriptedApi(lambda request: (404, {}) if "flinkdeployments" in request.path else (200, {"items": []}))
    gateway = KubernetesApi(api, clock=lambda: now[0])

    def looks() -> int:
        gateway.versions(()) if look == "versions" else gateway.list_children(PIPELINE)
        return asked(api, "flinkdeployments")

    assert [looks(), looks()] == [1, 0]
    assert gateway.list_children(PIPELINE) == [], "both know"
    assert asked(api, "flinkdeployments") == 0
    now[0] += 601
    assert looks() == 1


def test_a_kind_is_listed_as_soon_as_we_have_made_one() -> None:
    served: list[dict[str, Any]] = []

    def answer(request: Request) -> tuple[int, Any]:
        if request.method == "PATCH":
            served.append(live() | {"kind": "FlinkDeployment"})
            return 200, served[0]
        if "flinkdeployments" in request.path and not served:
            return 404, {}
        return 200, {"items": served if "flinkdeployments" in request.path else []}

    gateway = KubernetesApi(ScriptedApi(answer))
    assert gateway.list_children(PIPELINE) == []
    gateway.apply(PIPELINE, FLINK_DEPLOYMENT, None)
    assert [child["kind"] for child in gateway.list_children(PIPELINE)] == ["FlinkDeployment"]


def test_a_kind_of_ours_that_is_not_served_is_asked_for_each_time() -> None:
    api = ScriptedApi(lambda request: (404, {}))
    gateway = KubernetesApi(api)
    for _ in range(2):
        with pytest.raises(KubernetesUnavailableError, match="is not served"):
            gateway.list_children(PIPELINE)


def test_without_the_flink_kubernetes_operator_its_object_is_refused_with_the_field() -> None:
    gateway = KubernetesApi(ScriptedApi(lambda request: (404, {"message": "404 page not found"})))
    with pytest.raises(FlinkOperatorMissingError, match=r"spec\.worker\.flink\.mode: .* or set Standalone"):
        gateway.apply(PIPELINE, FLINK_DEPLOYMENT, None)


def test_a_deletion_names_the_very_object() -> None:
    api = ScriptedApi(lambda request: (200, {}))
    KubernetesApi(api).delete(live(), wait_for_dependents=True)
    assert api.requests[0].body["preconditions"] == {"uid": "o1"}
    assert api.requests[0].body["propagationPolicy"] == "Foreground"


def test_a_status_goes_to_the_subresource_of_this_very_resource() -> None:
    api = ScriptedApi(lambda request: (200, {}))
    KubernetesApi(api).write_status(PIPELINE, {"phase": "Running"})
    request = api.requests[0]
    assert request.path.endswith("/holdedpipelines/demo/status")
    assert request.body[0] == {"op": "test", "path": "/metadata/uid", "value": "u1"}


def test_an_event_is_written_once_in_ten_minutes_and_its_failure_is_no_fault() -> None:
    now = [0.0]
    api = ScriptedApi(lambda request: (403, {"message": "namespace is terminating"}))
    gateway = KubernetesApi(api, clock=lambda: now[0])
    for _ in range(3):
        gateway.emit(PIPELINE, kind="Warning", reason="KafkaUnavailable", message="refused")
    assert len(api.requests) == 1
    now[0] = 601
    gateway.emit(PIPELINE, kind="Warning", reason="KafkaUnavailable", message="refused")
    assert len(api.requests) == 2
    assert api.requests[0].body["regarding"]["uid"] == "u1"


def test_a_long_message_is_cut_to_what_an_event_holds() -> None:
    api = ScriptedApi(lambda request: (201, {}))
    KubernetesApi(api).emit(PIPELINE, kind="Warning", reason="R", message="é" * 5000)
    assert len(api.requests[0].body["note"].encode()) <= 1024


def held(retry_after: str, *, status: int = 429) -> tuple[ScriptedApi, KubernetesApi, list[float]]:
    """Return a server that once answered a look at a pipeline so, its gateway and the clock of that."""
    now = [100.0]
    api = ScriptedApi(lambda request: (status, {"message": "too many"}), headers={"Retry-After": retry_after})
    gateway = KubernetesApi(api, clock=lambda: now[0])
    with pytest.raises(KubernetesUnavailableError):
        gateway.get_pipeline("tests", "demo")
    api.answer, api.headers = lambda request: (200, {"items": [], "data": {}}), {}
    return api, gateway, now


@pytest.mark.parametrize("status", [429, 503])
def test_no_request_of_the_kind_is_sent_before_retry_after_is_over(status: int) -> None:
    api, gateway, now = held("7", status=status)
    for passed, left in ((0.0, 7.0), (6.5, 0.5)):
        now[0] = 100.0 + passed
        with pytest.raises(KubernetesUnavailableError, match=f"HTTP {status} too many") as caught:
            gateway.get_pipeline("tests", "other")
        assert caught.value.retry_after_seconds == left
    assert len(api.requests) == 1
    now[0] = 107.0
    gateway.get_pipeline("tests", "other")
    assert len(api.requests) == 2


def test_retry_after_holds_up_no_other_kind_of_request_and_no_other_namespace() -> None:
    api, gateway, _ = held("7")
    gateway.get_pipeline("elsewhere", "demo")
    gateway.read_secret("tests", "mysql")
    gateway.write_status(PIPELINE, {})
    gateway.read_pipelines(())
    assert len(api.requests) == 5


def test_a_retry_after_of_hours_holds_for_no_longer_than_a_resync_period() -> None:
    api, gateway, now = held("86400")
    now[0] += 30
    gateway.get_pipeline("tests", "demo")
    assert len(api.requests) == 2


@pytest.mark.parametrize("value", ["", "-1", "soon", "nan", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "\u00b2"])
def test_a_retry_after_that_is_no_number_of_seconds_holds_nothing(value: str) -> None:
    api, gateway, _ = held(value)
    gateway.get_pipeline("tests", "demo")
    assert len(api.requests) == 2
