"""What is particular to a pipeline on Flink: who may talk to whom, where pods and state are, what rolls what."""

from typing import Any

import pytest
import yaml

from holded_contracts.settings import WorkerSettings
from holded_operator.desired import Component, FlinkRole, render
from holded_operator.desired.state import Part
from tests.unit.operator.samples import IMAGES, SECRET_CHECKSUMS, merged, rendered, sample

FLINK: dict[str, Any] = {"worker": {"runner": "Flink"}}
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
                who = labels.get("app.kubernetes.io/component", "anybody")
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
