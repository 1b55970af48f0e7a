"""Pods of ours die."""

from tests.chaos.registry import scenario
from tests.chaos.world import COMPONENTS, World
from tests.support.waiting import wait_until

RANDOM_KILLS = 6
SECONDS_BETWEEN_KILLS = 6.0
OPERATOR_KILLS = 5


@scenario()
def collector_killed(world: World) -> None:
    """SIGKILL of every collector pod at once"""
    _kill_all(world, "collector")


@scenario()
def worker_killed(world: World) -> None:
    """SIGKILL of every worker pod at once"""
    _kill_all(world, "worker")


@scenario()
def sink_killed(world: World) -> None:
    """SIGKILL of every sink pod at once"""
    _kill_all(world, "sink")


@scenario()
def operator_killed(world: World) -> None:
    """SIGKILL of the operator"""
    world.sigkill(world.operator())


@scenario()
def random_kills(world: World) -> None:
    """Six pods of collector, worker and sink, picked at random, one every six seconds"""
    for _ in range(RANDOM_KILLS):
        candidates = [pod for component in COMPONENTS for pod in world.pods(component)]
        world.replace(world.chance.choice(candidates))
        world.hold(SECONDS_BETWEEN_KILLS)


@scenario()
def operator_killed_during_install(world: World) -> None:
    """Another pipeline is installed; the operator is killed whenever it has told of a new step"""
    other = world.another("second")
    other.prepare()
    world.stack.cluster.apply(other.manifest(collector={}, worker={}))
    try:
        _kill_operator_at_steps(other)
        other.pipeline.wait_ready()
    finally:
        other.remove()


@scenario()
def operator_killed_during_upgrade(world: World) -> None:
    """An edit that rolls all pods; the operator is killed whenever it has told of a new step"""
    parts = {part: {"podTemplate": {"metadata": {"annotations": {"chaos": "upgraded"}}}} for part in COMPONENTS}
    world.pipeline.patch(parts)
    _kill_operator_at_steps(world)
    world.pipeline.wait_ready()
    world.patch({part: {"podTemplate": None} for part in COMPONENTS})


def _kill_all(world: World, component: str) -> None:
    for pod in world.pods(component):
        world.sigkill(pod)


def _kill_operator_at_steps(world: World) -> None:
    for _ in range(OPERATOR_KILLS):
        known = world.steps()
        _next_step(world, known)
        if world.is_ready():
            return
        world.replace(world.operator())


def _next_step(world: World, known: dict[str, int]) -> None:
    wait_until(lambda: world.steps() != known or world.is_ready(), timeout=90, interval=0.2, what="a step is told")
