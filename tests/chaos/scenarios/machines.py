"""A node of the cluster goes, in order or not."""

from typing import Any

from tests.chaos.registry import scenario
from tests.chaos.world import World
from tests.support import nodes
from tests.support.waiting import wait_until


@scenario()
def node_drained(world: World) -> None:
    """The node of the sink is drained and comes back: pods are spread, and budgets keep a collector and a worker"""
    for component in ("collector", "worker"):
        assert len({pod["spec"]["nodeName"] for pod in world.pods(component)}) == 2, f"{component} pods share a node"
    node = _busy_node(world)
    kubectl = world.stack.cluster.kubectl
    watch = _Ready(world)
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s", timeout=180)
        watch.sample()
        wait_until(lambda: watch.sample() and world.is_ready(), timeout=120, interval=1, what="Ready on what is left")
    finally:
        kubectl("uncordon", node)
    assert watch.least["collector"] >= 1, "the drain took both collectors at once"


@scenario()
def node_frozen(world: World) -> None:
    """The node of the sink stands still for 45 seconds, then its pods go on as if nothing had been"""
    with nodes.frozen(_busy_node(world)):
        world.hold(45)


@scenario()
def node_power_cycled(world: World) -> None:
    """The node of the sink loses its power; the fault ends when it is Ready again"""
    node = _busy_node(world)
    nodes.power_cycle(node)

    def back() -> bool:
        conditions = world.stack.cluster.get("node", node, "default")["status"]["conditions"]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    wait_until(back, timeout=180, interval=1, what=f"{node} is Ready")


def _busy_node(world: World) -> str:
    """Return the node of the sink, after moving it to one that may go."""
    names = {node["metadata"]["name"] for node in world.stack.cluster.list("nodes", "default")}
    node: str = world.pods("sink")[0]["spec"]["nodeName"]
    if node != world.first_node:
        return node
    others: set[str] = names - {world.first_node}
    return min(others)


class _Ready:
    """The smallest number of ready pods seen."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.least: dict[str, int] = {}

    def sample(self) -> bool:
        """Look once; always true, to be used in a condition."""
        for component in ("collector", "worker"):
            ready = sum(_is_ready(pod) for pod in self._world.pods(component))
            self.least[component] = min(ready, self.least.get(component, ready))
        return True


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
