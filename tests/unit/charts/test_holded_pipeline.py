"""The operator's chart: its rights, its definition, its settings."""

import re
from pathlib import Path

import pytest
import yaml

from holded_operator.config import OperatorConfig

ROOT = Path(__file__).parents[3]
WRITES = {"create", "patch", "update", "delete"}


def of_kind(manifests, kind):
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def rules(manifests):
    return [
        rule
        for manifest in of_kind(manifests, "ClusterRole") + of_kind(manifests, "Role")
        for rule in manifest["rules"]
    ]


@pytest.fixture
def cluster_wide(render):
    return render("holded-pipeline")


@pytest.fixture
def in_namespaces(render):
    return render("holded-pipeline", "watchNamespaces={orders,billing}")


def test_no_right_is_a_wildcard(cluster_wide, in_namespaces):
    for rule in rules(cluster_wide) + rules(in_namespaces):
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]


def test_secrets_are_only_read_by_name(cluster_wide, in_namespaces):
    for manifests in (cluster_wide, in_namespaces):
        verbs = {tuple(rule["verbs"]) for rule in rules(manifests) if "secrets" in rule["resources"]}
        assert verbs == {("get",)}


def test_nothing_escalates(cluster_wide):
    for rule in rules(cluster_wide):
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
        if "rbac.authorization.k8s.io" in rule["apiGroups"]:
            pytest.fail("the operator makes no roles")
        if {"pods", "secrets"} & set(rule["resources"]):
            assert not WRITES & set(rule["verbs"])


def test_with_namespaces_there_are_no_cluster_wide_rights(in_namespaces):
    assert not of_kind(in_namespaces, "ClusterRole")
    assert not of_kind(in_namespaces, "ClusterRoleBinding")
    for kind in ("Role", "RoleBinding"):
        assert {manifest["metadata"]["namespace"] for manifest in of_kind(in_namespaces, kind)} == {"orders", "billing"}


def test_bindings_name_the_operators_account(cluster_wide, in_namespaces):
    for manifests in (cluster_wide, in_namespaces):
        (deployment,) = of_kind(manifests, "Deployment")
        account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
        (found,) = of_kind(manifests, "ServiceAccount")
        assert found["metadata"]["name"] == account
        for binding in of_kind(manifests, "ClusterRoleBinding") + of_kind(manifests, "RoleBinding"):
            assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "unit"}]


def test_the_definition_is_the_generated_one_and_is_kept(cluster_wide):
    (definition,) = of_kind(cluster_wide, "CustomResourceDefinition")
    assert definition["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    (source,) = (ROOT / "crds").glob("*.yaml")
    assert definition == yaml.safe_load(source.read_text())


def test_the_charts_copy_equals_the_generated_definition():
    copies = ROOT / "charts" / "holded-pipeline" / "files" / "crds"
    wanted = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    assert {path.name: path.read_text() for path in copies.iterdir()} == wanted, "run: make generate"


def test_the_definition_can_be_left_to_others(render):
    assert not of_kind(render("holded-pipeline", "crds.enabled=false"), "CustomResourceDefinition")
    (definition,) = of_kind(render("holded-pipeline", "crds.keep=false"), "CustomResourceDefinition")
    assert "annotations" not in definition["metadata"]


def test_every_variable_is_a_setting_of_the_operator(in_namespaces, monkeypatch):
    (deployment,) = of_kind(in_namespaces, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        assert variable["name"].removeprefix("HOLDED_OPERATOR_").lower() in OperatorConfig.model_fields
        monkeypatch.setenv(variable["name"], variable.get("value", "holded-operator-0"))
    config = OperatorConfig()
    assert config.watch_namespaces == ("orders", "billing")
    assert config.image_worker == "holded-pipeline/worker:0.1.0"
    assert config.probes_port == container["ports"][0]["containerPort"]


def test_tags_of_images_can_differ(render):
    manifests = render("holded-pipeline", "images.worker.tag=1.2.3", "images.operator.repository=example.com/operator")
    (deployment,) = of_kind(manifests, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example.com/operator:0.1.0"
    assert {"name": "HOLDED_OPERATOR_IMAGE_WORKER", "value": "holded-pipeline/worker:1.2.3"} in container["env"]


def test_one_operator_at_a_time(cluster_wide):
    (deployment,) = of_kind(cluster_wide, "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_a_network_policy_is_optional(cluster_wide, render):
    assert not of_kind(cluster_wide, "NetworkPolicy")
    assert of_kind(render("holded-pipeline", "networkPolicy.enabled=true"), "NetworkPolicy")


@pytest.mark.parametrize(
    "wrong", ["images.worker.tga=1", "watchNamespaces={Orders}", "images.pullPolicy=Sometimes", "replicas=2"]
)
def test_a_wrong_value_is_refused_by_name(render, wrong):
    name = re.split(r"[.=]", wrong)[0]
    with pytest.raises(RuntimeError, match=f"{name}|additional properties"):
        render("holded-pipeline", wrong)
