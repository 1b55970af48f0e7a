"""A pipeline on Flink on a real cluster: what dies under load, an upgrade by savepoint, pauses, and switching runners.

The tests share the pipeline; each leaves it Ready. After each, all data oracles are asked.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.registry import Scenario
from tests.chaos.traffic import Load
from tests.chaos.trial import Outcome, run
from tests.chaos.world import World
from tests.support import nodes
from tests.support.stack import Stack, Testbed
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ON_FLINK: dict[str, Any] = {
    "runner": "Flink",
    "flink": {"taskManagers": 1, "checkpointIntervalSeconds": 5, "state": {"size": "1Gi"}},
    "resources": {"requests": {"cpu": "100m"}},
}
LOAD = Load(rate=100)


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    Testbed(stack.cluster.name, "tests/e2e/kind-config.yaml").step("flink")
    found = World(stack, name="flink", node_port=30803, hold_seconds=16)
    # One collector: all of it has to fit a node of two cores.
    found.install(worker=ON_FLINK, collector={"service": {"type": "NodePort", "nodePort": found.node_port}})
    yield found
    found.remove()


def job(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.pipeline.read().get("status", {}).get("flink") or {}
    return found


def wait_job(world: World, what: str, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        found = job(world)
        if found.get("state") == "RUNNING" and met(found):
            return found
        raise AssertionError(str(found))

    found = wait_until(seen, timeout=240, interval=1, what=what)
    assert found is not None
    return found


def pods(world: World) -> set[str]:
    return {pod["metadata"]["name"] for part in ("worker", "jobmanager", "taskmanager") for pod in world.pods(part)}


def tried(world: World, fault: Callable[[World], None], folder: Path) -> Outcome:
    outcome = run(world, Scenario("flink", "", fault, LOAD), folder / "acknowledged.jsonl")
    assert outcome.acknowledged > 1000
    assert outcome.findings.clean, outcome.findings
    return outcome


def test_every_pod_is_restricted_and_the_status_tells_the_job(world: World) -> None:
    labels = world.stack.cluster.get("namespace", world.stack.namespace, world.stack.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {name.rpartition("-")[0] for name in pods(world)} >= {"flink-worker", "flink-taskmanager"}
    found = wait_job(world, "a checkpoint", lambda found: "checkpointAgeSeconds" in found)
    assert found["jobId"]


def test_killed_python_task_manager_and_job_manager_lose_and_double_nothing(world: World, tmp_path: Path) -> None:
    def kills(trial: World) -> None:
        (task_manager,) = trial.pods("taskmanager")
        nodes.sigkill(task_manager, "python")
        trial.hold()
        (task_manager,) = trial.pods("taskmanager")
        trial.replace(task_manager)
        trial.hold()
        (job_manager,) = trial.pods("jobmanager")
        trial.replace(job_manager)
        wait_job(trial, "a job restored from a checkpoint", lambda found: "chk-" in found.get("restoredFrom", ""))

    tried(world, kills, tmp_path)


def test_an_edit_replaces_the_job_by_a_savepoint_and_no_task_manager(world: World, tmp_path: Path) -> None:
    before, task_managers = job(world), {pod["metadata"]["uid"] for pod in world.pods("taskmanager")}

    def upgrade(trial: World) -> None:
        trial.patch({"worker": {"quality": {"weights": {"validity": 1}}}})
        wait_job(trial, "another job", lambda found: found["jobId"] != before["jobId"])

    tried(world, upgrade, tmp_path)
    assert "savepoint-" in job(world)["restoredFrom"]
    assert {pod["metadata"]["uid"] for pod in world.pods("taskmanager")} == task_managers


def test_a_pause_keeps_the_state(world: World) -> None:
    world.pipeline.patch({"suspend": True})
    wait_until(lambda: not pods(world), timeout=120, interval=1, what="no pod of Flink")
    assert world.stack.cluster.get("pvc", "flink-flink-state", world.stack.namespace)
    world.patch({"suspend": False})
    found = wait_job(world, "the job again", lambda found: "restoredFrom" in found)
    assert "chk-" in found["restoredFrom"] or "savepoint-" in found["restoredFrom"]


def test_there_and_back_again_loses_and_doubles_nothing(world: World, tmp_path: Path) -> None:
    def switch(trial: World) -> None:
        trial.pipeline.patch({"worker": {"runner": "Embedded", "flink": None, "replicas": 2}})
        trial.pipeline.wait_ready()
        left = {pod["metadata"]["name"] for part in ("jobmanager", "taskmanager") for pod in trial.pods(part)}
        assert not left
        trial.hold()
        trial.pipeline.patch({"worker": {"replicas": 1} | ON_FLINK})
        trial.pipeline.wait_ready()

    tried(world, switch, tmp_path)
    events = world.stack.cluster.list("events", world.stack.namespace)
    told = {event["reason"] for event in events if event["involvedObject"].get("name") == world.name}
    assert {"FlinkJobStarted", "Stopping"} <= told, json.dumps(sorted(told))
