"""Nothing fails but what is sent."""

import json
from datetime import UTC, datetime, timedelta
from random import Random

from holded_cli.sample_events import utc_text
from holded_cli.send.mixture import Shares
from tests.chaos.registry import scenario
from tests.chaos.traffic import Load
from tests.chaos.world import World

_SKEW = Random(1)


def skewed(payload: bytes) -> bytes:
    """Return the event as a client sends it whose clock is up to an hour wrong."""
    event = json.loads(payload)
    if isinstance(event.get("data"), dict):
        event["data"]["occurredAt"] = utc_text(datetime.now(UTC) + timedelta(seconds=_SKEW.uniform(-3600, 3600)))
    return json.dumps(event).encode()


@scenario(load=Load(shares=Shares.of(rejected=0.25, dead_letters=0.25)))
def poison_storm(world: World) -> None:
    """Half of what is sent is bad: a quarter the collector refuses, a quarter becomes dead letters"""
    world.hold(world.hold_seconds / 2)


@scenario(load=Load(shares=Shares.of(duplicates=0.8)))
def duplicates_storm(world: World) -> None:
    """Four of five events are copies"""
    world.hold(world.hold_seconds / 2)


@scenario(load=Load(change=skewed))
def skewed_clocks(world: World) -> None:
    """Events happened up to an hour before or after they are sent"""
    world.hold(world.hold_seconds / 2)
