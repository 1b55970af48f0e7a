"""The gateway of `kubectl holded` against a scripted API server: it asks, and never writes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from holded_operator.exceptions import ForbiddenError, KubernetesUnavailableError, ObjectRejectedError
from holded_operator.gateways.inspection import APPLIED_BY_KUBECTL, KubernetesInspection, connect, merge_patch
from tests.unit.operator.test_gateway_kubernetes import WANTED, ScriptedApi, live

BODY: dict[str, Any] = {
    "apiVersion": "holded.dev/v1alpha1",
    "kind": "HoldedPipeline",
    "metadata": {"name": "demo", "namespace": "tests"},
    "spec": {"sink": {"replicas": 2}},
}
POD = {"metadata": {"name": "demo-sink-0", "namespace": "tests"}}


def test_previews_are_dry_runs() -> None:
    api = ScriptedApi(lambda request: (200, live()))
    gateway = KubernetesInspection(api)
    applied = {"metadata": {"annotations": {APPLIED_BY_KUBECTL: json.dumps(BODY)}}}
    gateway.preview(WANTED)
    gateway.preview_pipeline(BODY, None)
    gateway.preview_pipeline(BODY, applied)
    assert [request.query["dryRun"] for request in api.requests] == ["All"] * 3
    assert not any(request.is_write for request in api.requests)


def test_what_kubectl_applied_is_merged_as_kubectl_does() -> None:
    api = ScriptedApi(lambda request: (200, live()))
    before = BODY | {"spec": {"sink": {"replicas": 2, "retentionDays": 9}, "suspend": True}}
    annotations = {APPLIED_BY_KUBECTL: json.dumps(before | {"metadata": BODY["metadata"] | {"annotations": {}}})}
    KubernetesInspection(api).preview_pipeline(BODY, {"metadata": {"annotations": annotations}})
    (request,) = api.requests
    assert request.headers["Content-Type"] == "application/merge-patch+json"
    assert request.body["spec"] == {"sink": {"replicas": 2, "retentionDays": None}, "suspend": None}
    assert request.body["metadata"]["annotations"] == {}, "annotations of others are not taken away"


def test_what_is_new_is_applied_by_the_server() -> None:
    api = ScriptedApi(lambda request: (201, live()))
    KubernetesInspection(api).preview_pipeline(BODY, None)
    (request,) = api.requests
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert request.query == {"dryRun": "All", "fieldManager": "kubectl", "force": "true"}


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"b": 1, "c": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ],
    ids=["changed", "gone", "gone within", "list", "new"],
)
def test_a_merge_patch_takes_away_what_was_applied_before(before: Any, after: Any, patch: Any) -> None:
    assert merge_patch(before, after) == patch


def test_a_refusal_of_the_api_server_is_its_message() -> None:
    api = ScriptedApi(lambda request: (422, {"message": "spec.topics.raw.name: is immutable"}))
    with pytest.raises(ObjectRejectedError, match=r"spec\.topics\.raw\.name: is immutable"):
        KubernetesInspection(api).preview_pipeline(BODY, None)


def test_a_missing_namespace_is_said() -> None:
    api = ScriptedApi(lambda request: (404, {"message": "namespaces tests not found"}))
    with pytest.raises(ObjectRejectedError, match="there is no namespace tests"):
        KubernetesInspection(api).preview_pipeline(BODY, None)


def test_the_end_of_a_log_is_text_and_a_container_that_has_none_is_no_fault() -> None:
    api = ScriptedApi(lambda request: (200, "the log") if "previous" not in request.query else (400, {"message": "no"}))
    gateway = KubernetesInspection(api)
    assert gateway.read_log(POD, "sink", lines=500) == '"the log"'
    assert gateway.read_log(POD, "sink", lines=500, previous=True) == ""
    assert api.requests[0].path == "/api/v1/namespaces/tests/pods/demo-sink-0/log"
    assert api.requests[0].query == {"container": "sink", "tailLines": "500", "timestamps": "true"}


def test_events_operator_pods_and_version_are_read() -> None:
    api = ScriptedApi(lambda request: (200, {"items": [{"a": 1}], "gitVersion": "v1.34.0"}))
    gateway = KubernetesInspection(api)
    assert gateway.list_events("tests") == [{"a": 1}]
    assert gateway.list_operator_pods() == [{"a": 1}]
    assert gateway.version() == "v1.34.0"
    assert api.requests[1].query == {"labelSelector": "app.kubernetes.io/name=holded-operator"}


def test_a_missing_right_is_told() -> None:
    api = ScriptedApi(lambda request: (403, {"message": "user x cannot list pods"}))
    with pytest.raises(ForbiddenError, match="the list of the operator's pods is forbidden: user x"):
        KubernetesInspection(api).list_operator_pods()


def test_the_context_decides_on_cluster_and_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}"}} for name in ("a", "b")],
        "users": [{"name": "u", "user": {}}],
        "contexts": [
            {"name": "first", "context": {"cluster": "a", "user": "u", "namespace": "data"}},
            {"name": "second", "context": {"cluster": "b", "user": "u"}},
        ],
        "current-context": "first",
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    assert [(connect(context)[0]._address, connect(context)[1]) for context in (None, "second")] == [
        ("https://a", "data"),
        ("https://b", "default"),
    ]
    with pytest.raises(KubernetesUnavailableError, match="context third"):
        connect("third")


def test_no_kubeconfig_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with pytest.raises(KubernetesUnavailableError, match="kubeconfig"):
        connect(None)
