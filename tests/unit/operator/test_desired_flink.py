"""What is particular to a pipeline on Flink: who may talk to whom, where pods and state are, what rolls what."""

import copy
import re
from typing import Any

import pytest
import yaml

from holded_contracts.settings import WorkerSettings
from holded_operator.desired import Component, FlinkRole, render
from holded_operator.desired.state import Part, pod_template
from tests.unit.operator.samples import IMAGES, SECRET_CHECKSUMS, merged, rendered, sample

FLINK: dict[str, Any] = {"worker": {"runner": "Flink"}}
OPERATED: dict[str, Any] = {"worker": {"runner": "Flink", "flink": {"mode": "Operator"}}}
PARTS: tuple[Part, ...] = (Component.WORKER, *FlinkRole)


def flink(**spec: Any) -> dict[str, Any]:
    return {"worker": {"runner": "Flink", "flink": spec}}


def template(part: Part, change: dict[str, Any], which: str = "minimal") -> dict[str, Any]:
    found: dict[str, Any] = rendered(sample(which, change)).workload(part)["spec"]["template"]
    return found


def ways(change: dict[str, Any]) -> set[tuple[str, str, int]]:
    """Return who may open a connection to whom on which port, by the policies; "anybody" is every pod there is."""
    state = rendered(sample(change=change))
    found = set()
    for policy in (item for item in state.objects if item["kind"] == "NetworkPolicy"):
        to = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in policy["spec"]["ingress"]:
            for peer in rule["from"]:
                labels = peer.get("podSelector", {}).get("matchLabels", {})
                who = labels.get("app.kubernetes.io/component") or labels.get("app.kubernetes.io/name", "anybody")
                found |= {(who, to, port["port"]) for port in rule["ports"]}
    return found


def test_flinks_ports_are_open_to_flink_alone():
    assert {way for way in ways(FLINK) if {"jobmanager", "taskmanager"} & set(way)} == {
        ("worker", "jobmanager", 8081),
        ("taskmanager", "jobmanager", 6123),
        ("taskmanager", "jobmanager", 6124),
        ("jobmanager", "taskmanager", 6122),
        ("jobmanager", "taskmanager", 6125),
        ("taskmanager", "taskmanager", 6121),
        ("anybody", "jobmanager", 9249),
        ("anybody", "taskmanager", 9249),
        ("anybody", "taskmanager", 8080),
    }, "neither the worker pool nor the job server, which run whatever they are sent, nor the JobManager for others"


def test_flink_listens_where_the_policies_say():
    config = rendered(sample(change=FLINK)).find("ConfigMap", "minimal-flink")
    assert config is not None
    settings = yaml.safe_load(config["data"]["config.yaml"])
    names = {
        "jobmanager.rpc.port": 6123,
        "blob.server.port": 6124,
        "rest.port": 8081,
        "taskmanager.rpc.port": 6122,
        "taskmanager.data.port": 6121,
        "metrics.internal.query-service.port": 6125,
        "metrics.reporter.prom.port": 9249,
    }
    assert {name: settings[name] for name in names} == names
    assert settings["jobmanager.rpc.address"] == settings["rest.address"] == "minimal-jobmanager"


def test_the_flink_kubernetes_operator_may_ask_the_job_manager_how_it_is_and_nothing_else_changes():
    assert ways(OPERATED) - ways(FLINK) == {("flink-kubernetes-operator", "jobmanager", 8081)}
    assert ways(FLINK) <= ways(OPERATED)


@pytest.mark.parametrize("part", PARTS)
def test_a_volume_of_one_node_keeps_the_pods_together(part: Part):
    spec = template(part, {}, "flink")["spec"]
    (term,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    (expression,) = term["labelSelector"]["matchExpressions"]
    assert expression["values"] == ["jobmanager", "taskmanager"], "not the embedded worker's pods, which may still run"
    assert "nodeAffinity" in spec["affinity"], "the spec's own stays"
    shared = flink(state={"accessMode": "ReadWriteMany"})
    assert "podAffinity" not in template(part, shared)["spec"].get("affinity", {})


@pytest.mark.parametrize("part", PARTS)
def test_an_object_store_needs_no_volume_and_its_credentials_reach_flink_alone(part: Part):
    change = flink(state={"url": "s3://bucket/a", "credentialsSecretRef": {"name": "bucket"}})
    state = render(
        sample(change=change), images=IMAGES, secret_checksums=SECRET_CHECKSUMS | {"bucket": "1"}, worker_replicas=None
    )
    assert not [item for item in state.objects if item["kind"] == "PersistentVolumeClaim"]
    spec = state.workload(part)["spec"]["template"]["spec"]
    assert not [volume for volume in spec["volumes"] if volume["name"] == "state"]
    users = [c["name"] for c in spec["containers"] if {"secretRef": {"name": "bucket"}} in c.get("envFrom", ())]
    assert users == ([part.value] if part in FlinkRole else [])


def test_an_edit_of_rules_rolls_the_submitter_alone():
    before, after = (
        rendered(sample(change=merged(FLINK, {"worker": edit})))
        for edit in ({}, {"quality": {"weights": {"validity": 1}}})
    )
    changed = [part for part in PARTS if before.workload(part) != after.workload(part)]
    assert changed == [Component.WORKER], "the next job goes on from a savepoint on the same TaskManagers"


def test_a_changed_secret_rolls_the_pods_that_run_our_code():
    pipeline = sample("flink")
    before = rendered(pipeline)
    after = render(
        pipeline,
        images=IMAGES,
        secret_checksums=SECRET_CHECKSUMS | {"registry-credentials": "new"},
        worker_replicas=None,
    )
    changed = [part for part in PARTS if before.workload(part) != after.workload(part)]
    assert changed == [Component.WORKER, FlinkRole.TASK_MANAGER]


def test_the_pool_knows_no_setting_that_the_job_may_leave_out(monkeypatch: pytest.MonkeyPatch):
    state = rendered(sample("full", merged(FLINK, {"worker": {"autoscaling": None}})))
    config = state.find("ConfigMap", "full-taskmanager")
    assert config is not None
    for name, text in config["data"].items():
        monkeypatch.setenv(name, text)
    settings = WorkerSettings()
    assert settings.flink is not None
    required = {"pipeline", "kafka", "schema_registry", "flink"}
    assert settings.model_fields_set <= required
    assert settings.kafka.model_dump(exclude_defaults=True) == {"bootstrap_servers": settings.kafka.bootstrap_servers}
    assert settings.topics.raw != "acme.raw", "it travels with the job"


def test_what_runs_python_has_the_workers_resources_and_flinks_containers_their_own():
    spec = template(FlinkRole.TASK_MANAGER, {}, "flink")["spec"]
    limits = {container["name"]: container["resources"]["limits"]["memory"] for container in spec["containers"]}
    assert limits == {"taskmanager": "4Gi", "python": "3Gi"}
    (submitter, _) = template(Component.WORKER, {}, "flink")["spec"]["containers"]
    assert submitter["resources"]["limits"]["memory"] == "768Mi"


def test_task_managers_are_drained_one_by_one():
    budget = rendered(sample("flink")).find("PodDisruptionBudget", "flink-taskmanager")
    assert budget is not None
    assert budget["spec"]["maxUnavailable"] == 1
    assert rendered(sample(change=FLINK)).find("PodDisruptionBudget", "minimal-taskmanager") is None


def test_the_longest_name_fits_the_label_that_a_stateful_set_adds():
    name = "a" * 40
    for item in rendered(sample(change=FLINK, name=name)).objects:
        assert len(item["metadata"]["name"]) <= 63
        if item["kind"] == "StatefulSet":
            assert len(item["metadata"]["name"]) + len("-") + 10 <= 63, "controller-revision-hash"


def test_slots_decide_the_parallelism_unless_the_spec_does():
    def parallelism(**spec: Any) -> str:
        config = rendered(sample(change=flink(**spec))).find("ConfigMap", "minimal-worker")
        assert config is not None
        return str(config["data"].get("HOLDED_FLINK__PARALLELISM", "1"))

    assert parallelism() == "1"
    assert parallelism(taskManagers=3, slots=2) == "6"
    assert parallelism(taskManagers=3, slots=2, parallelism=4) == "4"


def deployed(change: dict[str, Any], which: str = "minimal") -> dict[str, Any]:
    """Return the spec of the FlinkDeployment."""
    found = rendered(sample(which, merged(OPERATED, change))).find("FlinkDeployment", which)
    assert found is not None
    return dict(found["spec"])


def test_one_flink_deployment_stands_for_the_stateful_sets_and_what_they_alone_need():
    standalone, operated = (
        {(item["kind"], item["metadata"]["name"]) for item in rendered(sample(change=change)).objects}
        for change in (FLINK, OPERATED)
    )
    assert operated - standalone == {("FlinkDeployment", "minimal")}
    assert standalone - operated == {
        ("StatefulSet", "minimal-jobmanager"),
        ("StatefulSet", "minimal-taskmanager"),
        ("Service", "minimal-jobmanager"),
        ("Service", "minimal-taskmanager"),
        ("ConfigMap", "minimal-flink"),
    }


@pytest.mark.parametrize("role", FlinkRole)
@pytest.mark.parametrize("which", ["minimal", "flink"])
def test_a_flink_deployments_pods_are_those_of_standalone_but_for_what_its_operator_adds(role: FlinkRole, which: str):
    ours = copy.deepcopy(template(role, FLINK, which))
    theirs = copy.deepcopy(pod_template(rendered(sample(which, OPERATED)).workload(role), role))
    main, expected = theirs["spec"]["containers"][0], ours["spec"]["containers"][0]
    assert main["name"] == "flink-main-container"
    for field in ("image", "imagePullPolicy", "args", "env"):
        assert field not in main, "its args would be added to these, and it knows the image"
        expected.pop(field, None)
    assert {port["containerPort"] for port in main["ports"]}.isdisjoint({6122, 6123, 6124, 8081}), "it adds these"
    for container in (main, expected):
        del container["name"], container["ports"]
    expected["volumeMounts"] = [mount for mount in expected["volumeMounts"] if mount["name"] != "flink-config"]
    ours["spec"]["volumes"] = [volume for volume in ours["spec"]["volumes"] if volume["name"] != "flink-config"]
    for either in (ours, theirs):
        either["metadata"].pop("annotations", None)
    assert theirs == ours


def test_the_submitter_asks_the_service_that_the_flink_kubernetes_operator_makes():
    state = rendered(sample(change=OPERATED))
    config = state.find("ConfigMap", "minimal-worker")
    assert config is not None
    assert config["data"]["HOLDED_FLINK__JOBMANAGER_URL"] == "http://minimal-rest:8081"
    (_, server) = state.workload(Component.WORKER)["spec"]["template"]["spec"]["containers"]
    assert "--flink-master=minimal-rest:8081" in server["args"]


def test_flinks_settings_are_text_and_those_of_the_other_operator_are_left_to_it():
    found = deployed({"worker": {"flink": {"configuration": {"s3.endpoint": "http://minio"}}}})["flinkConfiguration"]
    assert found["s3.endpoint"] == "http://minio"
    assert all(isinstance(value, str) for value in found.values())
    assert found["web.submit.enable"] == "false"
    assert found["high-availability.type"] == "NONE", "it would need a token"
    own = {
        "jobmanager.rpc.address",
        "rest.address",
        "jobmanager.memory.process.size",
        "taskmanager.memory.process.size",
    }
    assert own.isdisjoint(found)
    ports = {"jobmanager.rpc.port": "6123", "rest.port": "8081", "taskmanager.data.port": "6121"}
    assert ports.items() <= found.items(), "which the policies name"


def test_flinks_memory_is_its_limit_and_no_cpu_is_kept_from_it_that_the_spec_does_not_name():
    found = deployed({})
    assert found["jobManager"]["resource"] == {"cpu": 0.05, "memory": "1024m"}
    assert found["taskManager"]["resource"] == {"cpu": 0.1, "memory": "1536m"}
    assert found["flinkConfiguration"]["kubernetes.taskmanager.cpu.limit-factor"] == "100.0"
    limited = {"requests": {"cpu": "500m"}, "limits": {"cpu": "2", "memory": "4Gi"}}
    found = deployed({"worker": {"flink": {"taskManagers": 3, "taskManager": {"resources": limited}}}})
    assert found["taskManager"]["resource"] == {"cpu": 0.5, "memory": "4096m"}
    assert found["taskManager"]["replicas"] == 3
    assert found["flinkConfiguration"]["kubernetes.taskmanager.cpu.limit-factor"] == "4.0"
    assert found["flinkConfiguration"]["kubernetes.jobmanager.cpu.limit-factor"] == "100.0"


def test_no_pod_of_a_flink_deployment_has_a_token():
    found = deployed({})
    assert found["serviceAccount"] == "default", "the kind demands one"
    for role in ("jobManager", "taskManager"):
        assert found[role]["podTemplate"]["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("pause", [{"suspend": True}, {"worker": {"replicas": 0}}], ids=["suspend", "replicas"])
def test_a_paused_pipeline_has_no_flink_deployment_and_keeps_its_volume(pause: dict[str, Any]):
    state = rendered(sample(change=merged(OPERATED, pause)))
    kinds = {item["kind"] for item in state.objects}
    assert "FlinkDeployment" not in kinds
    assert "PersistentVolumeClaim" in kinds
    assert state.workload(Component.WORKER)["spec"]["replicas"] == 0


def test_the_longest_name_fits_the_flink_kubernetes_operators_rule():
    (found,) = [
        item for item in rendered(sample(change=OPERATED, name="a" * 40)).objects if item["kind"] == "FlinkDeployment"
    ]
    assert re.fullmatch(r"[a-z]([-a-z\d]{0,43}[a-z\d])?", found["metadata"]["name"])
