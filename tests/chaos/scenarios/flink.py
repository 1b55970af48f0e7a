"""The worker on Flink, with two TaskManagers and its state on disk: what happens to it, and some faults of other modules."""

from tests.chaos.registry import scenario
from tests.chaos.scenarios import edits, systems
from tests.chaos.world import EMBEDDED, ON_FLINK, World
from tests.support import nodes
from tests.support.waiting import wait_until

SECONDS_BETWEEN_KILLS = 20.0
"""Longer than Flink takes to miss a TaskManager."""


@scenario()
def moved_to_flink_and_back(world: World) -> None:
    """The worker's runner becomes Flink, and Embedded again"""
    world.run_worker(ON_FLINK)
    world.hold(10)
    world.run_worker(EMBEDDED)


@scenario(on_flink=True)
def processes_killed(world: World) -> None:
    """SIGKILL of Python in one TaskManager, of the other TaskManager, of the submitter and of the JobManager in turn"""
    first, second = world.pods("taskmanager")
    nodes.sigkill(first, "python")
    world.hold(SECONDS_BETWEEN_KILLS)
    world.replace(second)
    world.hold(SECONDS_BETWEEN_KILLS)
    (submitter,) = world.pods("worker")
    nodes.sigkill(submitter, "worker")
    (job_manager,) = world.pods("jobmanager")
    world.replace(job_manager)
    wait_until(
        lambda: "chk-" in world.flink_job().get("restoredFrom", "") and world.is_ready(),
        timeout=180,
        interval=1,
        what="the job is restored from a checkpoint",
    )


@scenario(on_flink=True)
def rescaled(world: World) -> None:
    """2 TaskManagers become 3, 1 and 2 again, and the job's parallelism with them"""
    for number in (3, 1, 2):
        world.patch({"worker": {"flink": {"taskManagers": number}}})
        world.hold(5)


for fault in (
    systems.broker_cut_off,
    systems.registry_cut_off,
    edits.rules_change,
    edits.partitions_grow,
    edits.suspended_and_resumed,
    edits.upgraded_and_back,
):
    scenario(on_flink=True)(fault)
