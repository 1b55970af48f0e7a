"""A pipeline on Flink whose pods the Flink Kubernetes Operator makes: its status, its absence, and who waits for whom."""

import json
from typing import Any

import pytest

from holded_operator.constants import LABEL_COMPONENT
from holded_operator.exceptions import FlinkOperatorMissingError
from holded_operator.gateways.interfaces import FlinkJob
from holded_operator.reconciler import Verdict
from tests.support.operator_fakes import World, condition, converge, pipeline

OPERATOR: dict[str, Any] = {"runner": "Flink", "flink": {"mode": "Operator"}}
DEPLOYMENT = ("FlinkDeployment", "demo")
STANDALONE = {("StatefulSet", "demo-jobmanager"), ("StatefulSet", "demo-taskmanager")}
SUBMITTER = ("StatefulSet", "demo-worker")
CLAIM = ("PersistentVolumeClaim", "demo-flink-state")


@pytest.fixture
def world() -> World:
    world = World()
    world.flink.jobs["demo"] = FlinkJob(state="RUNNING", job_id="a1", checkpoint_age_seconds=3.5, restarts=0)
    world.kubernetes.create(pipeline(worker=OPERATOR))
    return world


def told(world: World, **status: Any) -> tuple[str, str, str]:
    """Return the worker's condition after the Flink Kubernetes Operator has told this."""
    world.kubernetes.objects[DEPLOYMENT]["status"] |= status
    world.operator().reconcile("tests", "demo")
    found = condition(world, "WorkerReady")
    return found["status"], found["reason"], found["message"]


def let_go(world: World) -> None:
    """Let the FlinkDeployment go before its pods have: its operator waits for them only so long."""
    del world.kubernetes.objects[DEPLOYMENT]


def going(world: World) -> set[tuple[str, str]]:
    return {key for key, item in world.kubernetes.objects.items() if item["metadata"].get("deletionTimestamp")}


def runner(world: World) -> str:
    spec = world.kubernetes.objects[SUBMITTER]["spec"]["template"]["spec"]
    return "Flink" if len(spec["containers"]) > 1 else "Embedded"


def test_it_converges_with_one_object_in_the_place_of_flinks_stateful_sets(world: World) -> None:
    assert converge(world) is Verdict.CONVERGED
    assert {DEPLOYMENT, SUBMITTER, CLAIM} <= set(world.kubernetes.objects)
    assert not STANDALONE & set(world.kubernetes.objects)
    assert condition(world, "WorkerReady")["status"] == "True"
    world.forget_writes()
    assert world.operator().reconcile("tests", "demo").verdict is Verdict.CONVERGED
    assert world.writes.done == []


def test_until_it_is_taken_up_the_condition_says_who_has_to(world: World) -> None:
    world.operator().reconcile("tests", "demo")
    world.operator().reconcile("tests", "demo")
    found = condition(world, "WorkerReady")
    assert (found["status"], found["reason"]) == ("False", "FlinkDeploymentPending")
    assert "does the Flink Kubernetes Operator run, and watch this namespace?" in found["message"]


def test_the_other_operators_error_is_the_reason_in_its_own_words(world: World) -> None:
    converge(world)
    error = json.dumps({"type": "ReconciliationException", "message": "no such image", "throwableList": []})
    assert told(world, error=error) == (
        "False",
        "FlinkDeploymentFailing",
        "jobmanager: FlinkDeployment demo: no such image",
    )
    assert "not JSON" in told(world, error="not JSON")[2]
    assert "[1]" in told(world, error="[1]")[2]
    assert told(world, error=None)[:2] == ("True", "PodsReady")


@pytest.mark.parametrize("status", ["DEPLOYING", "DEPLOYED_NOT_READY", "MISSING", "ERROR"])
def test_a_job_manager_that_is_not_ready_is_told(world: World, status: str) -> None:
    converge(world)
    found = told(world, jobManagerDeploymentStatus=status)
    assert found[:2] == ("False", "PodsNotReady")
    assert f"FlinkDeployment demo says {status}" in found[2]


def test_a_change_that_is_not_taken_up_is_told(world: World) -> None:
    converge(world)
    world.kubernetes.objects[DEPLOYMENT]["metadata"]["generation"] += 1
    assert told(world)[1] == "FlinkDeploymentPending"


def test_task_managers_that_are_missing_or_fail_are_told(world: World) -> None:
    converge(world)
    (task_manager,) = [pod for pod in world.kubernetes.pods if pod["metadata"]["name"].startswith("demo-taskmanager")]
    task_manager["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    assert told(world)[1:] == ("PodsNotReady", "taskmanager: 0 of 1 pods are ready")
    waiting = {"waiting": {"reason": "ErrImagePull"}}
    task_manager["status"] = {"containerStatuses": [{"name": "python", "image": "x", "state": waiting}]}
    _, reason, message = told(world)
    assert reason == "PodsFailing"
    assert "image x cannot be pulled" in message


def test_without_the_kind_the_condition_names_the_field_and_the_fix(world: World) -> None:
    world.kubernetes.refusals["FlinkDeployment"] = FlinkOperatorMissingError()
    assert world.operator().reconcile("tests", "demo").verdict is Verdict.FAILING
    found = condition(world, "WorkerReady")
    assert (found["status"], found["reason"]) == ("False", "FlinkOperatorMissing")
    assert found["message"].startswith("spec.worker.flink.mode: ")
    assert "install the Flink Kubernetes Operator, or set Standalone" in found["message"]
    assert ("StatefulSet", "demo-sink") in world.kubernetes.objects, "the others are not kept from their work"
    assert SUBMITTER not in world.kubernetes.objects
    del world.kubernetes.refusals["FlinkDeployment"]
    assert converge(world) is Verdict.CONVERGED


@pytest.mark.parametrize("after", [{"runner": "Embedded"}, {"runner": "Flink"}], ids=["Embedded", "Standalone"])
def test_who_comes_next_starts_when_the_flink_deployment_and_its_pods_are_gone(
    world: World, after: dict[str, Any]
) -> None:
    converge(world)
    world.kubernetes.edit("demo", worker=after)
    before = world.kubernetes.objects[SUBMITTER]["spec"]

    def still_waits(*names: str) -> None:
        world.operator().reconcile("tests", "demo")
        found = condition(world, "WorkerReady")
        assert (found["status"], found["reason"]) == ("False", "SwitchingRunner")
        assert all(name in found["message"] for name in names)
        assert world.kubernetes.objects[SUBMITTER]["spec"] == before
        assert not STANDALONE & set(world.kubernetes.objects)
        assert CLAIM in world.kubernetes.objects

    still_waits("FlinkDeployment demo")
    assert going(world) == {DEPLOYMENT}
    still_waits("FlinkDeployment demo")
    let_go(world)
    still_waits("Pod demo-jobmanager-0", "Pod demo-taskmanager-0")
    world.kubernetes.pods.clear()
    assert converge(world) is Verdict.CONVERGED
    assert runner(world) == after["runner"]
    assert (CLAIM in world.kubernetes.objects) is (after["runner"] == "Flink")


def test_flinks_stateful_sets_go_before_the_flink_deployment_comes(world: World) -> None:
    world.kubernetes.edit("demo", worker={"runner": "Flink"})
    converge(world)
    world.kubernetes.edit("demo", worker=OPERATOR)
    for _ in range(2):
        world.operator().reconcile("tests", "demo")
        assert condition(world, "WorkerReady")["reason"] == "SwitchingRunner"
        assert going(world) == STANDALONE
        assert DEPLOYMENT not in world.kubernetes.objects
    world.kubernetes.finish_foreground_deletions()
    assert converge(world) is Verdict.CONVERGED
    assert not STANDALONE & set(world.kubernetes.objects)


@pytest.mark.parametrize("pause", [{"suspend": True}, {"worker": OPERATOR | {"replicas": 0}}], ids=["suspend", "zero"])
def test_a_pause_deletes_the_flink_deployment_and_keeps_the_state_and_the_end_of_it_waits_for_its_pods(
    world: World, pause: dict[str, Any]
) -> None:
    converge(world)
    world.kubernetes.edit("demo", **pause)
    for _ in range(2):
        world.operator().reconcile("tests", "demo")
        assert going(world) == {DEPLOYMENT}, "in the foreground, and not deleted twice"
        assert world.kubernetes.objects[SUBMITTER]["spec"]["replicas"] == 0
        found = condition(world, "WorkerReady")
        assert (found["status"], "still there: FlinkDeployment demo" in found["message"]) == ("False", True)
    let_go(world)
    assert converge(world) is Verdict.CONVERGED
    assert CLAIM in world.kubernetes.objects

    world.kubernetes.edit("demo", suspend=False, worker=OPERATOR)
    world.operator().reconcile("tests", "demo")
    assert condition(world, "WorkerReady")["reason"] == "SwitchingRunner"
    assert DEPLOYMENT not in world.kubernetes.objects, "its pods of before are still there"
    world.kubernetes.pods.clear()
    assert converge(world) is Verdict.CONVERGED
    assert DEPLOYMENT in world.kubernetes.objects


def test_what_resumes_while_the_flink_deployment_is_going_waits_for_it(world: World) -> None:
    converge(world)
    world.kubernetes.edit("demo", suspend=True)
    world.operator().reconcile("tests", "demo")
    world.kubernetes.edit("demo", suspend=False)
    world.operator().reconcile("tests", "demo")
    assert condition(world, "WorkerReady")["reason"] == "ObjectTerminating"
    assert world.kubernetes.objects[SUBMITTER]["spec"]["replicas"] == 0


def test_deletion_waits_for_the_flink_deployment_before_the_sink_stops(world: World) -> None:
    converge(world)
    world.kubernetes.request_deletion("demo")
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.finish_foreground_deletions()
    operator.reconcile("tests", "demo")
    assert going(world) == {DEPLOYMENT, SUBMITTER}
    operator.reconcile("tests", "demo")
    assert ("StatefulSet", "demo-sink") not in going(world)
    world.kubernetes.finish_foreground_deletions()
    operator.reconcile("tests", "demo")
    assert ("StatefulSet", "demo-sink") in going(world)


def test_a_flink_deployment_that_somebody_changed_or_deleted_is_as_it_was_after_the_resync(world: World) -> None:
    operator = world.converged()
    wished = world.kubernetes.objects[DEPLOYMENT]["spec"]
    world.kubernetes.objects[DEPLOYMENT]["spec"] = wished | {"image": "flink:other"}
    operator.resync("tests", "demo")
    assert world.kubernetes.objects[DEPLOYMENT]["spec"] == wished
    del world.kubernetes.objects[DEPLOYMENT]
    world.kubernetes.pods.clear()
    operator.reconcile("tests", "demo")
    assert world.kubernetes.objects[DEPLOYMENT]["spec"] == wished


def test_a_resync_sees_what_the_other_operator_tells(world: World) -> None:
    operator = world.converged()
    world.kubernetes.objects[DEPLOYMENT]["status"]["error"] = "the quota is used up"
    operator.resync("tests", "demo")
    assert condition(world, "WorkerReady")["reason"] == "FlinkDeploymentFailing"


def test_an_edit_of_the_pipelines_rules_leaves_the_flink_deployment_as_it_is(world: World) -> None:
    converge(world)
    before = world.kubernetes.objects[DEPLOYMENT]["spec"]
    world.kubernetes.edit("demo", worker=OPERATOR | {"batch": {"maxEvents": 7}})
    converge(world)
    assert world.kubernetes.objects[DEPLOYMENT]["spec"] == before


@pytest.mark.parametrize("key", [DEPLOYMENT, SUBMITTER], ids=" ".join)
def test_a_label_that_somebody_took_away_is_put_back(world: World, key: tuple[str, str]) -> None:
    converge(world)
    labels = world.kubernetes.objects[key]["metadata"]["labels"]
    wished = dict(labels)
    del labels[LABEL_COMPONENT]
    assert converge(world) is Verdict.CONVERGED
    assert world.kubernetes.objects[key]["metadata"]["labels"] == wished
    assert going(world) == set()
