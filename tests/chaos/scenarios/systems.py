"""Kafka, the registry or MySQL is away, refuses, or comes back."""

from tests.chaos.registry import scenario
from tests.chaos.world import World
from tests.support import nodes

ROOM_MIB = 4096
"""Room that MySQL has on a disk of its own until somebody fills it; the scenarios after this one stay there."""


@scenario()
def broker_restarted(world: World) -> None:
    """SIGKILL of the broker's pod, until its successor is ready"""
    pod = world.system("kafka")
    world.replace(pod)
    world.wait_back("kafka", pod)


@scenario()
def broker_cut_off(world: World) -> None:
    """No packet reaches the broker for a minute; the collector answers 503 and never 2xx (D10)"""
    with world.without("kafka"):
        world.hold(2)
        answered = world.traffic.tally.accepted
        world.hold()
        assert world.traffic.tally.accepted == answered, "D10: the collector accepts events that Kafka cannot have"
    assert world.traffic.tally.retries["503"], "D10: the collector has not answered 503"


@scenario()
def broker_scaled_to_zero(world: World) -> None:
    """There is no broker for a minute; the collector answers 503 and never 2xx (D10)"""
    world.scale_system("statefulset/kafka", 0)
    answered = world.traffic.tally.accepted
    world.hold()
    assert world.traffic.tally.accepted == answered, "D10: the collector accepts events that Kafka cannot have"
    world.scale_system("statefulset/kafka", 1)
    assert world.traffic.tally.retries["503"], "D10: the collector has not answered 503"


@scenario()
def registry_cut_off(world: World) -> None:
    """No packet reaches the schema registry for a minute, and the worker is started anew meanwhile"""
    with world.without("schema-registry"):
        for pod in world.pods("worker"):
            world.replace(pod)
        world.hold()


@scenario()
def mysql_cut_off(world: World) -> None:
    """No packet reaches MySQL for a minute"""
    with world.without("mysql"):
        world.hold()


@scenario()
def mysql_restarted(world: World) -> None:
    """SIGKILL of the MySQL server in mid-batch, until it is ready again"""
    pod = world.system("mysql")
    world.sigkill(pod)
    world.wait_back("mysql", pod)


@scenario()
def mysql_read_only(world: World) -> None:
    """MySQL is read-only for half a minute: the sink stops and makes no dead letter of it (D7)"""
    world.mysql_root("SET GLOBAL super_read_only = ON")
    try:
        world.hold(2)
        before = world.gold_position(), world.refused_by_sink()
        world.hold(world.hold_seconds / 2)
        assert (world.gold_position(), world.refused_by_sink()) == before, "D7: the sink has gone on"
    finally:
        world.mysql_root("SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF")


@scenario()
def mysql_disk_full(world: World) -> None:
    """MySQL is moved to a disk of its own, which is full for half a minute: the sink waits and makes no dead letter of it (D7)"""
    path = world.volume("data-mysql-0")
    world.scale_system("statefulset/mysql", 0)
    nodes.shrink_volume(world.first_node, path, world.megabytes(path) + ROOM_MIB)
    world.scale_system("statefulset/mysql", 1)
    with nodes.full(world.first_node, path):
        before = world.refused_by_sink()
        world.hold(world.hold_seconds / 2)
        assert world.refused_by_sink() == before, "D7: a full disk has made dead letters"
