"""The resource, a Secret or the release changes under load."""

import secrets

from tests.chaos.registry import scenario
from tests.chaos.world import World

RULE = {"context": "chaos_wallet", "domains": ["Wallet"]}


@scenario()
def upgraded_and_back(world: World) -> None:
    """All four images are replaced under load by others of the same content, and back"""
    tags = world.image_tags()
    world.upgrade({name: f"{tag}-next" for name, tag in tags.items()})
    world.upgrade(tags)


@scenario()
def partitions_grow(world: World) -> None:
    """Raw and silver get one partition more"""
    grown = world.read()["spec"]["topics"]["raw"]["partitions"] + 1
    world.patch({"topics": {"raw": {"partitions": grown}, "silver": {"partitions": grown}}})


@scenario()
def rules_change(world: World) -> None:
    """A classification rule is added and taken away"""
    world.patch({"worker": {"classification": {"rules": [RULE]}}})
    world.hold(5)
    world.note_rules()
    world.patch({"worker": {"classification": None}})


@scenario()
def worker_scaled(world: World) -> None:
    """The worker is scaled 1, 3, 1 and back to 2"""
    for replicas in (1, 3, 1, 2):
        world.patch({"worker": {"replicas": replicas}})
        world.hold(3)


@scenario()
def suspended_and_resumed(world: World) -> None:
    """The pipeline is suspended for 20 seconds"""
    world.pipeline.patch({"suspend": True})
    world.hold(20)
    world.patch({"suspend": False})


@scenario()
def secret_rotated(world: World) -> None:
    """MySQL's password is changed, first there, then in the Secret"""
    password = secrets.token_hex(12)
    world.mysql_root(f"ALTER USER '{world.name}'@'%' IDENTIFIED BY '{password}'")
    world.set_secret(password)
    world.hold(5)
    world.pipeline.wait_ready()
