"""A pipeline on Flink: what its condition minds, switching runners, suspending, deleting, what the status tells."""

from typing import Any

import pytest

from holded_operator.gateways.interfaces import FlinkJob
from holded_operator.reconciler import Verdict
from tests.support.operator_fakes import World, condition, converge, pipeline

FLINK = {("StatefulSet", "demo-jobmanager"), ("StatefulSet", "demo-taskmanager")}
CLAIM = ("PersistentVolumeClaim", "demo-flink-state")
JOB = FlinkJob(state="RUNNING", job_id="a1", checkpoint_age_seconds=3.5, restarts=0)


@pytest.fixture
def world() -> World:
    world = World()
    world.flink.jobs["demo"] = JOB
    world.kubernetes.create(pipeline(worker={"runner": "Flink"}))
    return world


def not_ready(world: World, kind: str, name: str) -> None:
    world.kubernetes.objects[kind, name]["status"]["readyReplicas"] = 0


def status(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.kubernetes.pipelines["demo"]["status"]
    return found


def containers(world: World) -> list[str]:
    worker = world.kubernetes.objects["StatefulSet", "demo-worker"]
    return [container["name"] for container in worker["spec"]["template"]["spec"]["containers"]]


def test_a_pipeline_on_flink_converges_and_tells_its_job(world: World) -> None:
    assert converge(world) is Verdict.CONVERGED
    assert FLINK | {CLAIM} <= set(world.kubernetes.objects)
    assert containers(world) == ["worker", "job-server"]
    assert condition(world, "WorkerReady")["status"] == "True"
    assert status(world)["flink"] == {"state": "RUNNING", "jobId": "a1", "checkpointAgeSeconds": 20, "restarts": 0}
    assert ("Normal", "FlinkJobStarted", "Flink's job a1 starts from the committed offsets") in world.kubernetes.events


def test_checkpoints_that_come_in_time_cost_no_write(world: World) -> None:
    converge(world)
    world.forget_writes()
    for age in (0.0, 9.9, 12.0, 19.9):
        world.flink.jobs["demo"] = JOB.model_copy(update={"checkpoint_age_seconds": age})
        assert world.operator().reconcile("tests", "demo").verdict is Verdict.CONVERGED
    assert world.writes.done == []
    world.flink.jobs["demo"] = JOB.model_copy(update={"checkpoint_age_seconds": 45.0})
    world.operator().reconcile("tests", "demo")
    assert status(world)["flink"]["checkpointAgeSeconds"] == 80


def test_a_resync_sees_a_job_that_changed(world: World) -> None:
    operator = world.converged()
    world.flink.jobs["demo"] = JOB.model_copy(update={"restarts": 2})
    operator.resync("tests", "demo")
    assert status(world)["flink"]["restarts"] == 2
    assert ("Warning", "FlinkJobRestarted", "Flink has restarted job a1, 2 times so far") in world.kubernetes.events


@pytest.mark.parametrize(
    ("kind", "name", "part"),
    [("StatefulSet", "demo-jobmanager", "jobmanager"), ("StatefulSet", "demo-taskmanager", "taskmanager")],
)
def test_the_worker_is_not_ready_while_flink_is_not(world: World, kind: str, name: str, part: str) -> None:
    converge(world)
    not_ready(world, kind, name)
    not_ready(world, "StatefulSet", "demo-worker")
    world.flink.jobs["demo"] = FlinkJob(state="ABSENT")
    world.operator().reconcile("tests", "demo")
    found = condition(world, "WorkerReady")
    assert (found["status"], found["reason"]) == ("False", "PodsNotReady")
    assert found["message"].startswith(f"{part}: 0 of 1 pods are ready")


def test_a_job_that_does_not_run_is_the_reason(world: World) -> None:
    converge(world)
    not_ready(world, "StatefulSet", "demo-worker")
    world.flink.jobs["demo"] = FlinkJob(state="RESTARTING", job_id="a1", restarts=1)
    world.operator().reconcile("tests", "demo")
    found = condition(world, "WorkerReady")
    assert (found["status"], found["reason"]) == ("False", "FlinkJobNotRunning")
    assert "Flink's job is RESTARTING, 1 restarts, no checkpoint yet" in found["message"]


def test_a_submitter_that_does_not_answer_leaves_no_old_job_in_the_status(world: World) -> None:
    converge(world)
    world.flink.jobs.clear()
    world.operator().reconcile("tests", "demo")
    assert "flink" not in status(world)


def test_embedded_workers_start_only_when_flinks_pods_are_gone(world: World) -> None:
    converge(world)
    world.kubernetes.edit("demo", worker={"runner": "Embedded", "replicas": 2})
    for _ in range(3):
        world.operator().reconcile("tests", "demo")
        found = condition(world, "WorkerReady")
        assert (found["status"], found["reason"]) == ("False", "SwitchingRunner")
        assert containers(world) == ["worker", "job-server"], "the worker's pods are still the submitter's"
        assert CLAIM in world.kubernetes.objects
    assert all(world.kubernetes.objects[key]["metadata"]["deletionTimestamp"] for key in FLINK)

    world.kubernetes.finish_foreground_deletions()
    assert converge(world) is Verdict.CONVERGED
    assert containers(world) == ["worker"]
    left = {key for key in world.kubernetes.objects if {"jobmanager", "taskmanager", "flink"} & set(key[1].split("-"))}
    assert left == set()
    assert "flink" not in status(world)


def test_embedded_workers_become_the_submitter(world: World) -> None:
    world.kubernetes.edit("demo", worker={"runner": "Embedded", "replicas": 3})
    converge(world)
    assert not FLINK & set(world.kubernetes.objects)
    world.kubernetes.edit("demo", worker={"runner": "Flink"})
    assert converge(world) is Verdict.CONVERGED
    assert world.kubernetes.objects["StatefulSet", "demo-worker"]["spec"]["replicas"] == 1


@pytest.mark.parametrize("pause", [{"suspend": True}, {"worker": {"runner": "Flink", "replicas": 0}}])
def test_a_pause_stops_all_of_flink_and_keeps_its_state(world: World, pause: dict[str, Any]) -> None:
    converge(world)
    world.kubernetes.edit("demo", **pause)
    assert converge(world) is Verdict.CONVERGED
    for key in (*FLINK, ("StatefulSet", "demo-worker")):
        assert world.kubernetes.objects[key]["spec"]["replicas"] == 0
    assert CLAIM in world.kubernetes.objects
    assert "flink" not in status(world)


def test_deletion_waits_for_flinks_pods_before_the_sink_stops(world: World) -> None:
    converge(world)
    world.kubernetes.request_deletion("demo")
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.finish_foreground_deletions()
    operator.reconcile("tests", "demo")
    going = {key for key, item in world.kubernetes.objects.items() if item["metadata"].get("deletionTimestamp")}
    assert going == {*FLINK, ("StatefulSet", "demo-worker")}
    world.kubernetes.finish_foreground_deletions()
    operator.reconcile("tests", "demo")
    assert world.kubernetes.objects["StatefulSet", "demo-sink"]["metadata"]["deletionTimestamp"]


@pytest.mark.parametrize("key", [*sorted(FLINK), CLAIM, ("ConfigMap", "demo-flink"), ("Service", "demo-jobmanager")])
def test_what_somebody_deletes_is_made_again(world: World, key: tuple[str, str]) -> None:
    converge(world)
    before = set(world.kubernetes.objects)
    del world.kubernetes.objects[key]
    assert converge(world) is Verdict.CONVERGED
    assert set(world.kubernetes.objects) == before


def test_an_edit_of_the_pipelines_rules_replaces_the_job_and_no_task_manager(world: World) -> None:
    converge(world)
    before = {key: world.kubernetes.objects[key]["spec"] for key in FLINK}
    world.kubernetes.edit("demo", worker={"runner": "Flink", "batch": {"maxEvents": 7}})
    submitter = world.kubernetes.objects["StatefulSet", "demo-worker"]["spec"]
    converge(world)
    assert {key: world.kubernetes.objects[key]["spec"] for key in FLINK} == before
    assert world.kubernetes.objects["StatefulSet", "demo-worker"]["spec"] != submitter
