"""A pipeline on Flink on a real cluster: it runs, and what dies under load loses and doubles nothing by all data oracles."""

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


def wait_job(world: World, what: str, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        found = world.flink_job()
        if found.get("state") == "RUNNING" and met(found):
            return found
        raise AssertionError(str(found))

    found = wait_until(seen, timeout=240, interval=1, what=what)
    assert found is not None
    return found


def pods(world: World) -> set[str]:
    return {pod["metadata"]["name"] for part in ("worker", "jobmanager", "taskmanager") for pod in world.pods(part)}


def tried(world: World, fault: Callable[[World], None], folder: Path) -> Outcome:
    outcome = run(world, Scenario("flink", "", fault, LOAD, on_flink=True), folder / "acknowledged.jsonl")
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
