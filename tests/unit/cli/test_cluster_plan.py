"""`kubectl holded plan`: what would change, and nothing is written."""

import json
from typing import Any

import pytest

from holded_operator.exceptions import FlinkOperatorMissingError, ForbiddenError, ObjectRejectedError
from tests.support.operator_fakes import World, pipeline
from tests.unit.cli.cluster_world import RULE, manifest, plugin, reconcile, running


@pytest.fixture
def world() -> World:
    return running()


def plan(world: World, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], *options: str) -> Any:
    result = plugin(world, monkeypatch, "plan", "-f", "-", *options, stdin=body)
    assert world.writes.done == [], "a plan writes nothing"
    return result


def document(world: World, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plan(world, monkeypatch, body, "--output", "json").stdout)
    return found


def changed(found: dict[str, Any]) -> dict[str, str]:
    steps = [found["resource"], *found["objects"], *found["topicsAndSubjects"]]
    return {step["what"]: step["action"] for step in steps if step["action"] != "unchanged"}


def replaced(found: dict[str, Any]) -> dict[str, int]:
    return {step["what"]: step["replacedPods"] for step in found["objects"] if step["replacedPods"]}


def test_the_same_resource_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = plan(world, monkeypatch, manifest(world))
    assert result.exit_code == 0, result.output
    assert "tests/demo: nothing changes" in result.stdout
    assert "Kafka and the registry were not asked" in result.stdout


def test_an_edited_rule_rolls_the_worker_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = manifest(world, worker={"classification": {"rules": [RULE]}})
    found = document(world, monkeypatch, body)
    assert changed(found) == {
        "HoldedPipeline demo": "change",
        "ConfigMap demo-worker": "change",
        "StatefulSet demo-worker": "change",
    }
    assert list(replaced(found)) == ["StatefulSet demo-worker"]
    result = plan(world, monkeypatch, body)
    assert result.exit_code == 2
    assert "payroll" in result.stdout
    assert "StatefulSet demo-worker: its pods are replaced (1)" in result.stdout


def test_what_the_plan_says_is_what_the_operator_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {
        "worker": {"replicas": 2, "classification": {"rules": [RULE]}},
        "collector": {"authentication": {"mode": "ApiKey", "secretRef": {"name": "keys"}}, "replicas": 1},
        "sink": {"replicas": 3},
        "topics": {"raw": {"partitions": 24}, "silver": {"partitions": 24}},
    }
    world.kubernetes.secrets["keys"] = {"shop": b"shop-key"}
    planned = changed(document(world, monkeypatch, manifest(world, **spec)))
    before = {key: dict(item) for key, item in world.kubernetes.objects.items()}
    world.kubernetes.edit("demo", **spec)
    reconcile(world)
    done = {what: "create" for key in world.kubernetes.objects.keys() - before.keys() if (what := " ".join(key))}
    done |= {" ".join(key): "delete" for key in before.keys() - world.kubernetes.objects.keys()}
    done |= {
        write.removeprefix("apply "): "change"
        for write in world.writes.done
        if write.startswith("apply ") and write.removeprefix("apply ") not in done
    }
    assert {
        what: action for what, action in planned.items() if not what.startswith(("topic", "subject", "Holded"))
    } == done
    assert {what for what in planned if what.startswith("topic")} == {"topic events.raw", "topic events.silver"}


def test_a_new_pipeline_is_all_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    found = document(world, monkeypatch, pipeline())
    assert found["resource"]["action"] == "create"
    assert {step["action"] for step in found["objects"]} == {"create"}
    assert sum(step["what"].startswith("topic") for step in found["topicsAndSubjects"]) == 5
    assert any("defaults" in note for note in found["notes"])


def test_a_shrinking_topic_is_refused_with_its_field(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = plan(world, monkeypatch, manifest(world, topics={"analytics": {"partitions": 1}}))
    assert result.exit_code == 1
    assert "spec.topics.analytics.partitions" in result.stdout
    assert "cannot be shrunk" in result.stdout


def test_a_growing_topic_says_from_what_to_what(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = plan(world, monkeypatch, manifest(world, topics={"silver": {"partitions": 48}}))
    assert result.exit_code == 2
    assert "topic events.silver\n    partitions: " in result.stdout
    assert "-> 48" in result.stdout


def test_a_problem_of_the_spec_is_told_with_its_field(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = plan(world, monkeypatch, manifest(world, worker={"dedupWindow": "9000d"}))
    assert result.exit_code == 1
    assert "spec.worker.dedupWindow: " in result.stdout


def test_the_answer_of_the_api_server_is_told_with_our_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.kubernetes.refusals["HoldedPipeline"] = ObjectRejectedError(
        "HoldedPipeline demo", "topic names are immutable"
    )
    result = plan(world, monkeypatch, manifest(world, worker={"replicas": "many"}))
    assert result.exit_code == 1
    assert "topic names are immutable" in result.stdout
    assert "spec.worker.replicas: " in result.stdout


def test_an_object_that_the_api_server_would_refuse_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.kubernetes.refusals["StatefulSet"] = ObjectRejectedError("StatefulSet demo-worker", "exceeded quota")
    result = plan(world, monkeypatch, manifest(world, worker={"replicas": 2}))
    assert result.exit_code == 1
    assert "worker: StatefulSet demo-worker was refused: exceeded quota" in result.stdout


ON_FLINKS_OPERATOR: dict[str, Any] = {"runner": "Flink", "flink": {"mode": "Operator", "taskManagers": 2}}


def test_without_the_flink_kubernetes_operator_its_mode_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kubernetes.refusals["FlinkDeployment"] = FlinkOperatorMissingError()
    result = plan(world, monkeypatch, manifest(world, worker=ON_FLINKS_OPERATOR))
    assert result.exit_code == 1
    assert "spec.worker.flink.mode: this cluster knows no FlinkDeployments" in " ".join(result.stdout.split())


def test_any_change_of_a_flink_deployment_replaces_all_of_its_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running(worker=ON_FLINKS_OPERATOR)
    assert changed(document(world, monkeypatch, manifest(world))) == {}
    slots = ON_FLINKS_OPERATOR | {"flink": ON_FLINKS_OPERATOR["flink"] | {"slots": 2}}
    found = document(world, monkeypatch, manifest(world, worker=slots))
    assert replaced(found)["FlinkDeployment demo"] == 3
    edited = document(world, monkeypatch, manifest(world, worker=ON_FLINKS_OPERATOR | {"maxStringLength": 100}))
    assert "FlinkDeployment demo" not in changed(edited)


def test_a_plan_goes_by_the_image_of_flink_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running(worker=ON_FLINKS_OPERATOR)
    world.kubernetes.objects["FlinkDeployment", "demo"]["spec"]["image"] = "mirror/flink:1.19.3-java17"
    assert changed(document(world, monkeypatch, manifest(world))) == {}


def test_monitoring_that_is_not_served_keeps_nothing_from_changing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.kubernetes.refusals["PodMonitor"] = ObjectRejectedError("PodMonitor demo", "is not served here")
    result = plan(world, monkeypatch, manifest(world, monitoring={"podMonitor": True}))
    assert result.exit_code == 2
    assert "the pipeline runs without it: PodMonitor demo was refused: is not served here" in result.stdout


def test_a_topic_of_an_older_pipeline_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = plan(world, monkeypatch, pipeline("other"))
    assert result.exit_code == 1
    assert "belongs to HoldedPipeline tests/demo" in result.stdout


def test_secrets_are_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.kubernetes.readable_secrets = False
    assert plan(world, monkeypatch, manifest(world)).exit_code == 0
    assert "correct-horse" not in plan(world, monkeypatch, manifest(world, sink={"replicas": 2})).output


def test_an_error_of_the_cluster_is_one_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = manifest(world)
    world.kubernetes.error = ForbiddenError("HoldedPipeline demo", "user x cannot get it")
    result = plan(world, monkeypatch, body)
    assert result.exit_code == 1
    assert result.stderr == "holded: HoldedPipeline demo is forbidden: user x cannot get it\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: ConfigMap", "0 resources of kind HoldedPipeline"),
        ("a: [", "is no YAML"),
        ("{kind: HoldedPipeline, apiVersion: holded.dev/v2}", "holded.dev/v2"),
        ("{kind: HoldedPipeline, apiVersion: holded.dev/v1alpha1}", "metadata.name"),
    ],
    ids=["another kind", "no YAML", "another version", "no name"],
)
def test_a_file_that_holds_no_pipeline_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, text: str, says: str
) -> None:
    file = tmp_path / "cr.yaml"
    file.write_text(text)
    result = plugin(world, monkeypatch, "plan", "-f", str(file))
    assert result.exit_code == 1
    assert says in result.stderr


def test_a_namespace_that_contradicts_the_file_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = plan(world, monkeypatch, manifest(world), "-n", "elsewhere")
    assert result.exit_code == 1
    assert "metadata.namespace is tests" in result.stderr
