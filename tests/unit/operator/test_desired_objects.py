"""What all rendered objects have in common, and how the parts of a state hang together."""

import copy
from itertools import pairwise
from typing import Any

import pytest

from holded_operator.api.v1alpha1 import Runner
from holded_operator.constants import ANNOTATION_CONFIG_CHECKSUM
from holded_operator.desired import (
    Component,
    DesiredState,
    FlinkRole,
    Images,
    Part,
    referenced_secrets,
    render,
)
from holded_operator.desired.quantities import value
from holded_operator.desired.state import pod_template
from tests.unit.operator.samples import IMAGES, NAMES, SECRET_CHECKSUMS, rendered, sample

COMPONENTS = tuple(Component)


PODS = [
    (name, part)
    for name in NAMES
    for part in (*COMPONENTS, *FlinkRole)
    if part in COMPONENTS or sample(name).spec.worker.runner is Runner.FLINK
]


def _template(name: str, component: Part, change: dict[str, Any] | None = None) -> dict[str, Any]:
    return pod_template(rendered(sample(name, change)).workload(component), component)


@pytest.mark.parametrize(("name", "component"), PODS)
def test_pods_meet_pod_security_restricted(name: str, component: Part):
    spec = _template(name, component)["spec"]

    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & set(spec)
    assert {next(iter(set(volume) - {"name"})) for volume in spec["volumes"]} <= {
        *("configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret")
    }
    pod = spec["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert (pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]) == (10001, 10001, 10001)
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert not any("hostPort" in port for port in container.get("ports", ()))


@pytest.mark.parametrize(("name", "component"), PODS)
def test_pods_are_frugal_and_probed(name: str, component: Part):
    spec = _template(name, component)["spec"]

    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["volumes"][0]["emptyDir"]["sizeLimit"]
    for container in spec["containers"]:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["timeoutSeconds"] >= 1
        if any(port["name"] == "http" for port in container.get("ports", ())):
            assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
            assert container["startupProbe"]["httpGet"]["path"] == "/health"
            assert container["livenessProbe"]["httpGet"]["path"] == "/health"
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert {"cpu", "memory", "ephemeral-storage"} <= set(requests)
        assert {"memory", "ephemeral-storage"} <= set(limits)
        assert all(value(requests[key]) <= value(limits[key]) for key in requests.keys() & limits.keys())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("component", COMPONENTS)
def test_kubernetes_waits_longer_than_the_service_needs(name: str, component: Component):
    state = rendered(sample(name))
    spec = state.workload(component)["spec"]["template"]["spec"]
    config = state.find("ConfigMap", f"{name}-{component}")
    assert config is not None
    grace = float(config["data"].get("HOLDED_SHUTDOWN_GRACE_SECONDS", "25"))
    pause = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)

    assert pause + grace < spec["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", NAMES)
def test_objects_are_owned_labelled_and_in_the_namespace(name: str):
    pipeline = sample(name)
    seen = set()
    for item in rendered(pipeline).objects:
        metadata = item["metadata"]
        (owner,) = metadata["ownerReferences"]
        assert owner == {
            "apiVersion": "holded.dev/v1alpha1",
            "kind": "HoldedPipeline",
            "name": name,
            "uid": f"uid-of-{name}",
            "controller": True,
            "blockOwnerDeletion": True,
        }
        assert metadata["namespace"] == pipeline.metadata.namespace
        assert metadata["labels"]["app.kubernetes.io/instance"] == name
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "holded-operator"
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "holded-pipeline"
        seen.add((item["kind"], metadata["name"]))
    assert len(seen) == len(rendered(pipeline).objects)


def test_a_resource_no_server_has_seen_renders_without_owner():
    assert all("ownerReferences" not in item["metadata"] for item in rendered(sample(uid=None)).objects)


@pytest.mark.parametrize("component", COMPONENTS)
def test_selectors_match_the_pods_and_hold_only_what_never_changes(component: Component):
    state = rendered(sample("full"))
    workload = state.workload(component)
    selector = workload["spec"]["selector"]["matchLabels"]

    assert set(selector) == {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")}
    assert selector.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    others = [other for other in COMPONENTS if other is not component]
    for other in others:
        assert not selector.items() <= state.workload(other)["spec"]["template"]["metadata"]["labels"].items()
    service = state.find("Service", f"full-{component}")
    policy = state.find("NetworkPolicy", f"full-{component}")
    budget = state.find("PodDisruptionBudget", f"full-{component}")
    assert service is not None
    assert policy is not None
    assert budget is not None
    assert service["spec"]["selector"] == selector
    assert policy["spec"]["podSelector"]["matchLabels"] == selector
    assert budget["spec"]["selector"]["matchLabels"] == selector


def test_labels_of_the_user_never_replace_ours():
    change = {"worker": {"podTemplate": {"metadata": {"labels": {"app.kubernetes.io/instance": "stolen"}}}}}
    labels = _template("full", Component.WORKER, change)["metadata"]["labels"]

    assert labels["app.kubernetes.io/instance"] == "full"


@pytest.mark.parametrize("name", NAMES)
def test_rendering_is_deterministic_and_keeps_its_input(name: str):
    pipeline = sample(name)
    before = copy.deepcopy(pipeline)

    assert rendered(pipeline) == rendered(sample(name))
    assert repr(rendered(pipeline)) == repr(rendered(sample(name)))
    assert pipeline == before


def test_rendering_ignores_the_operators_own_environment(monkeypatch: pytest.MonkeyPatch):
    expected = rendered(sample())
    monkeypatch.setenv("HOLDED_LOG_LEVEL", "debug")
    monkeypatch.setenv("HOLDED_KAFKA__SASL_USERNAME", "operator")
    monkeypatch.setenv("HOLDED_BATCH__MAX_EVENTS", "1")

    assert rendered(sample()) == expected


def test_no_empty_value_is_rendered_that_the_server_would_drop():
    def empties(node: Any, path: str = "") -> list[str]:
        if isinstance(node, dict):
            return [found for key, item in node.items() for found in empties(item, f"{path}.{key}")] or (
                [path] if not node else []
            )
        if isinstance(node, list):
            return [found for item in node for found in empties(item, f"{path}[]")] or ([path] if not node else [])
        return [path] if node in (None, "") else []

    for name in NAMES:
        for item in rendered(sample(name)).objects:
            # An empty namespaceSelector means "every namespace"; the server keeps it.
            assert [path for path in empties(item) if not path.endswith(".namespaceSelector")] == []


def test_a_changed_secret_rolls_the_pods_that_use_it_and_no_others():
    pipeline = sample("full")
    before = rendered(pipeline)
    after = render(
        pipeline, images=IMAGES, secret_checksums=SECRET_CHECKSUMS | {"mysql-ca": "new"}, worker_replicas=None
    )

    assert after.workload(Component.SINK) != before.workload(Component.SINK)
    assert after.workload(Component.WORKER) == before.workload(Component.WORKER)
    assert after.workload(Component.COLLECTOR) == before.workload(Component.COLLECTOR)


def test_a_changed_setting_rolls_the_pods_that_read_it_and_no_others():
    before, after = rendered(sample()), rendered(sample(change={"worker": {"batch": {"maxEvents": 7}}}))

    assert after.workload(Component.WORKER) != before.workload(Component.WORKER)
    assert after.workload(Component.SINK) == before.workload(Component.SINK)
    assert after.workload(Component.COLLECTOR) == before.workload(Component.COLLECTOR)


def test_unrelated_edits_change_no_object():
    change = {"topics": {"raw": {"retention": "3d"}}, "schemas": {"compatibility": "FULL"}}

    assert rendered(sample(change=change)).objects == rendered(sample()).objects


def test_referenced_secrets_are_all_that_the_spec_names():
    assert referenced_secrets(sample()) == ("mysql-credentials",)
    assert referenced_secrets(sample("full")) == tuple(sorted(SECRET_CHECKSUMS))


def test_no_secret_reaches_a_config_map():
    for name in NAMES:
        for item in rendered(sample(name)).objects:
            if item["kind"] == "ConfigMap":
                assert not [key for key in item["data"] if "PASSWORD" in key or "USERNAME" in key]


def test_suspended_pipelines_keep_everything_but_pods_and_their_scaling():
    state = rendered(sample("suspended"))

    assert [state.workload(component)["spec"]["replicas"] for component in COMPONENTS] == [0, 0, 0]
    assert state.worker_replicas == 0
    kinds = {item["kind"] for item in state.objects}
    assert kinds == {"ConfigMap", "Service", "NetworkPolicy", "Deployment", "StatefulSet"}
    assert [topic.managed for topic in state.topics] == [True] * 5


def test_a_deployment_under_an_autoscaler_has_no_replicas_of_its_own():
    assert "replicas" not in rendered(sample("full")).workload(Component.COLLECTOR)["spec"]


def test_the_lag_decides_the_worker_pods_only_with_autoscaling():
    assert rendered(sample("full"), worker_replicas=7).worker_replicas == 7
    assert rendered(sample("full")).worker_replicas == 2
    assert rendered(sample(), worker_replicas=7).worker_replicas == 1


def test_a_single_pod_has_no_disruption_budget():
    assert rendered(sample()).find("PodDisruptionBudget", "minimal-sink") is None


def test_the_collector_is_open_to_the_world_only_when_its_service_is():
    inside = rendered(sample()).find("NetworkPolicy", "minimal-collector")
    outside = rendered(sample("full")).find("NetworkPolicy", "full-collector")
    assert inside is not None
    assert outside is not None

    assert inside["spec"]["ingress"] == [
        {"ports": [{"port": 8000, "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]}
    ]
    assert outside["spec"]["ingress"] == [{"ports": [{"port": 8000, "protocol": "TCP"}]}]


def test_what_pods_need_is_applied_before_the_pods():
    order = ("ConfigMap", "Service", "NetworkPolicy", "Deployment", "StatefulSet")
    for component in COMPONENTS:
        kinds = [item["kind"] for item in rendered(sample("full")).of(component) if item["kind"] in order]
        assert all(order.index(a) < order.index(b) for a, b in pairwise(kinds))


def test_pipelines_of_one_name_in_two_namespaces_share_nothing():
    first, second = rendered(sample(namespace="one")), rendered(sample(namespace="two"))

    assert {item["metadata"]["namespace"] for item in first.objects} == {"one"}
    assert {item["metadata"]["namespace"] for item in second.objects} == {"two"}


RULE_EDITS: dict[str, dict[str, Any]] = {
    "rule": {"worker": {"classification": {"rules": [{"context": "payroll", "domains": ["Team"]}]}}},
    "weight": {"worker": {"quality": {"weights": {"validity": 1}}}},
    "cut": {"worker": {"maxStringLength": 1000}},
}


def test_pipeline_version_names_the_code_and_the_rules():
    def version(change: dict[str, Any], worker: str = "worker:1") -> tuple[str, ...]:
        state = render(sample(change=change), images=Images("collector:1", worker, "sink:1"), secret_checksums={})
        return tuple(state.pipeline_version.split("+"))

    code, rules = version({})
    assert code == "1"
    assert version({}, worker="worker:2") == ("2", rules)
    assert version({}, worker="mirror.example.com:5000/worker:1") == (code, rules)
    assert version({"worker": {"replicas": 4, "batch": {"maxEvents": 9}}}) == (code, rules)
    edited = [version(edit) for edit in RULE_EDITS.values()]
    assert {code for code, _ in edited} == {"1"}
    assert len({rules, *(digest for _, digest in edited)}) == 1 + len(RULE_EDITS)


@pytest.mark.parametrize("edit", RULE_EDITS)
def test_an_edit_of_the_rules_rolls_the_worker_alone_and_tells_it_its_version(edit: str):
    before, after = rendered(sample()), rendered(sample(change=RULE_EDITS[edit]))

    def checksum(state: DesiredState, component: Component) -> str:
        annotations = state.workload(component)["spec"]["template"]["metadata"]["annotations"]
        return str(annotations[ANNOTATION_CONFIG_CHECKSUM])

    changed = [component for component in COMPONENTS if checksum(before, component) != checksum(after, component)]
    assert changed == [Component.WORKER]
    (config,) = [item for item in after.of(Component.WORKER) if item["kind"] == "ConfigMap"]
    assert config["data"]["HOLDED_PIPELINE__VERSION"] == after.pipeline_version


def test_a_topic_that_is_not_ours_is_never_deleted():
    plan = rendered(sample("full")).deletion

    assert "acme.ledger" not in plan.topics
    assert len(plan.topics) == 4
    assert len(plan.subjects) == 5
    assert plan.database == "gold"
