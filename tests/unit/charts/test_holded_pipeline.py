"""The operator's chart: its rights, its definition, its settings."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

import holded_sink.metrics  # noqa: F401 -- registers what the sink exports
from holded_collector.metrics import Metrics
from holded_operator.config import OperatorConfig
from holded_operator.constants import LABEL_INSTANCE
from holded_operator.desired import Images
from holded_operator.desired.flink.deployment import FLINK_VERSION
from holded_operator.gateways.objects import RESOURCES
from holded_operator.handlers.watches import OWNED
from tests.unit.operator.samples import rendered, sample

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


def environment(deployment):
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable for variable in container["env"]}


def test_alerts_are_there_when_asked_for_and_use_metrics_that_the_services_have(render):
    assert not of_kind(render("holded-pipeline"), "PrometheusRule")
    (rule,) = of_kind(
        render("holded-pipeline", "alerts.enabled=true", "alerts.labels.release=prometheus"), "PrometheusRule"
    )
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    (group,) = rule["spec"]["groups"]
    alerts = {alert["alert"]: alert for alert in group["rules"]}
    assert alerts.keys() == {"HoldedCanaryLate", "HoldedEndToEndLatencyHigh"}
    assert "> 3\n" in alerts["HoldedEndToEndLatencyHigh"]["expr"]
    assert {alert["labels"]["severity"] for alert in alerts.values()} == {"critical", "warning"}
    for alert in alerts.values():
        assert "{{ $labels.namespace }}/{{ $labels.app_kubernetes_io_instance }}" in alert["annotations"]["summary"]

    names = set(re.findall(r"holded_\w+", " ".join(alert["expr"] for alert in alerts.values())))
    exported = {
        sample.name for family in (*REGISTRY.collect(), *Metrics().registry.collect()) for sample in family.samples
    }
    assert names <= exported, "an alert on a metric that nobody exports never fires"


def test_alerts_tell_pipelines_apart_by_the_labels_that_the_pod_monitor_gives(render):
    (rule,) = of_kind(render("holded-pipeline", "alerts.enabled=true"), "PrometheusRule")
    monitor = {"monitoring": {"podMonitor": True}}
    (found,) = of_kind(rendered(sample("minimal", monitor)).objects, "PodMonitor")
    label = re.sub(r"[^a-zA-Z0-9_]", "_", LABEL_INSTANCE)
    assert LABEL_INSTANCE in found["spec"]["podTargetLabels"]
    for alert in rule["spec"]["groups"][0]["rules"]:
        assert re.search(rf"by \((le, )?namespace, {label}\)", alert["expr"])


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


def test_every_kind_that_a_pipeline_can_own_may_be_written_and_every_watched_one_watched(cluster_wide):
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in rules(cluster_wide)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    for version, plural in RESOURCES.values():
        group = version.rpartition("/")[0]
        watched = any((group, plural) == (of, name) for of, _, name in OWNED)
        wanted = {"get", "list", "create", "patch", "delete"} | ({"watch"} if watched else set())
        assert granted[group, plural] == wanted, plural


def test_the_charts_images_of_flink_are_the_operators_and_fit_the_workers_beam(cluster_wide):
    (deployment,) = of_kind(cluster_wide, "Deployment")
    found = environment(deployment)
    flink, server = (found[f"HOLDED_OPERATOR_IMAGE_{name}"]["value"] for name in ("FLINK", "FLINK_JOB_SERVER"))
    config = OperatorConfig()
    assert (config.image_flink, config.image_flink_job_server) == (flink, server)
    images = Images(collector="", worker="", sink="")
    assert (images.flink, images.flink_job_server) == (flink, server)
    (minor,) = re.findall(r"beam_flink([\d.]+)_job_server", server)
    assert flink.partition(":")[2].startswith(f"{minor}."), "a runner's minor version must be the cluster's"
    assert f"v{minor.replace('.', '_')}" == FLINK_VERSION
    lock = (ROOT / "services" / "worker" / "requirements.lock").read_text()
    assert re.findall(r"^apache-beam==(\S+)", lock, re.MULTILINE) == [server.partition(":")[2]]


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
        found = {manifest["metadata"]["namespace"]: manifest for manifest in of_kind(in_namespaces, kind)}
        own = found.pop("unit")
        assert found.keys() == {"orders", "billing"}
        assert own["metadata"]["name"].endswith("-own"), "in its own namespace only what is its own"


@pytest.mark.parametrize("namespaces", [(), ("watchNamespaces={orders}",)], ids=["everywhere", "namespaces"])
def test_what_the_operator_keeps_for_itself_it_may_touch_by_name_only(render, namespaces):
    manifests = render("holded-pipeline", "admission.enabled=true", *namespaces)
    (deployment,) = of_kind(manifests, "Deployment")
    name = environment(deployment)["HOLDED_OPERATOR_OWN_NAME"]["value"]
    found = {
        (resource, verb): rule.get("resourceNames")
        for rule in rules(manifests)
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if resource in {"leases", "validatingwebhookconfigurations"} or (resource == "secrets" and verb != "get")
    }
    assert found.pop(("leases", "create")) is None, "a right to create cannot be limited to a name"
    assert found.keys() == {
        ("leases", "get"),
        ("leases", "update"),
        ("secrets", "update"),
        ("validatingwebhookconfigurations", "get"),
        ("validatingwebhookconfigurations", "patch"),
    }
    assert all(names == [name] for names in found.values())
    for kind in ("Service", "Secret", "ValidatingWebhookConfiguration"):
        assert [manifest["metadata"]["name"] for manifest in of_kind(manifests, kind)] == [name]


def test_without_the_webhook_there_is_nothing_of_it(cluster_wide):
    assert not of_kind(cluster_wide, "ValidatingWebhookConfiguration") + of_kind(cluster_wide, "Secret")
    assert not [rule for rule in rules(cluster_wide) if "admissionregistration.k8s.io" in rule["apiGroups"]]
    assert not [rule for rule in rules(cluster_wide) if "secrets" in rule["resources"] and rule["verbs"] != ["get"]]
    (deployment,) = of_kind(cluster_wide, "Deployment")
    assert "HOLDED_OPERATOR_ADMISSION_PORT" not in environment(deployment)


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


def test_one_replica_needs_neither_spreading_nor_a_budget(cluster_wide):
    (deployment,) = of_kind(cluster_wide, "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert "topologySpreadConstraints" not in deployment["spec"]["template"]["spec"]
    assert not of_kind(cluster_wide, "PodDisruptionBudget")


def test_however_many_replicas_there_are_they_elect_one(cluster_wide, render):
    for manifests in (cluster_wide, render("holded-pipeline", "replicaCount=2")):
        (deployment,) = of_kind(manifests, "Deployment")
        assert deployment["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }, "a new one stands by before an old one stops"
        found = environment(deployment)
        assert found["HOLDED_OPERATOR_OWN_NAME"]["value"] == deployment["metadata"]["name"]
        for variable, field in (("OWN_NAMESPACE", "metadata.namespace"), ("POD_NAME", "metadata.name")):
            assert found[f"HOLDED_OPERATOR_{variable}"]["valueFrom"]["fieldRef"]["fieldPath"] == field


def test_two_replicas_are_spread_and_protected(render):
    manifests = render("holded-pipeline", "replicaCount=2")
    (deployment,) = of_kind(manifests, "Deployment")
    assert deployment["spec"]["replicas"] == 2
    (spread,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    (budget,) = of_kind(manifests, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (spread["labelSelector"], budget["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels.items()


def webhook(manifests):
    (configuration,) = of_kind(manifests, "ValidatingWebhookConfiguration")
    (found,) = configuration["webhooks"]
    return found


def test_the_webhook_changes_nothing_and_hears_of_specs_only(render):
    found = webhook(render("holded-pipeline", "admission.enabled=true"))
    assert found["sideEffects"] == "None"
    assert found["failurePolicy"] == "Ignore"
    (rule,) = found["rules"]
    assert rule["operations"] == ["CREATE", "UPDATE"]
    assert rule["resources"] == ["holdedpipelines"], "neither status nor scale"
    conditions = {condition["name"]: condition["expression"] for condition in found["matchConditions"]}
    assert conditions == {
        "spec-changed": "request.operation == 'CREATE' || object.spec != oldObject.spec",
        "not-deleted": "!has(object.metadata.deletionTimestamp)",
    }


def test_what_the_operator_writes_into_the_configuration_is_not_the_charts(render):
    manifests = render("holded-pipeline", "admission.enabled=true")
    config = webhook(manifests)["clientConfig"]
    assert "caBundle" not in config
    assert "path" not in config["service"]
    (secret,) = of_kind(manifests, "Secret")
    assert not {"data", "stringData"} & secret.keys()


def test_the_webhook_reaches_a_port_that_the_operator_serves(render):
    manifests = render("holded-pipeline", "admission.enabled=true", "networkPolicy.enabled=true")
    (deployment,) = of_kind(manifests, "Deployment")
    (service,) = of_kind(manifests, "Service")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert environment(deployment)["HOLDED_OPERATOR_ADMISSION_PORT"]["value"] == str(ports["admission"])
    assert service["spec"]["ports"][0]["targetPort"] == "admission"
    assert webhook(manifests)["clientConfig"]["service"]["port"] == service["spec"]["ports"][0]["port"]
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    (policy,) = of_kind(manifests, "NetworkPolicy")
    assert "admission" in {port["port"] for port in policy["spec"]["ingress"][0]["ports"]}


@pytest.mark.parametrize("patience", [4, 8, 30])
def test_the_checks_end_before_the_api_servers_patience(render, patience):
    manifests = render("holded-pipeline", "admission.enabled=true", f"admission.timeoutSeconds={patience}")
    (deployment,) = of_kind(manifests, "Deployment")
    assert webhook(manifests)["timeoutSeconds"] == patience
    assert float(environment(deployment)["HOLDED_OPERATOR_ADMISSION_SECONDS"]["value"]) == patience - 3


def test_the_webhook_is_asked_about_served_namespaces_only(render):
    found = webhook(render("holded-pipeline", "admission.enabled=true", "watchNamespaces={orders,billing}"))
    (expression,) = found["namespaceSelector"]["matchExpressions"]
    assert expression == {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": ["orders", "billing"],
    }
    assert "namespaceSelector" not in webhook(render("holded-pipeline", "admission.enabled=true"))


def test_a_network_policy_is_optional(cluster_wide, render):
    assert not of_kind(cluster_wide, "NetworkPolicy")
    assert of_kind(render("holded-pipeline", "networkPolicy.enabled=true"), "NetworkPolicy")


@pytest.mark.parametrize(
    "wrong",
    [
        "images.worker.tga=1",
        "watchNamespaces={Orders}",
        "images.pullPolicy=Sometimes",
        "replicas=2",
        "images.flink.tag=",
        "admission.failurePolicy=Maybe",
    ],
)
def test_a_wrong_value_is_refused_by_name(render, wrong):
    name = re.split(r"[.=]", wrong)[0]
    with pytest.raises(RuntimeError, match=f"{name}|additional properties"):
        render("holded-pipeline", wrong)
