"""The short form of `make chaos`: three of its faults one after another under load, then all of its oracles."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.registry import Scenario
from tests.chaos.scenarios.pods import worker_killed
from tests.chaos.scenarios.systems import broker_restarted, mysql_read_only
from tests.chaos.trial import RECOVERY_BAR_SECONDS, run
from tests.chaos.world import World
from tests.support.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def world(stack: Stack) -> Iterator[World]:
    found = World(stack, name="faults", hold_seconds=16)
    found.install()
    yield found
    found.remove()


def three_faults(world: World) -> None:
    worker_killed(world)
    broker_restarted(world)
    mysql_read_only(world)


def test_a_killed_worker_a_restarted_broker_and_a_read_only_mysql_lose_and_double_nothing(
    world: World, tmp_path: Path
) -> None:
    outcome = run(world, Scenario("three-faults", "", three_faults), tmp_path / "acknowledged.jsonl")
    assert outcome.acknowledged > 1000
    assert outcome.findings.clean, outcome.findings
    assert outcome.recovery_seconds is not None
    assert outcome.recovery_seconds < RECOVERY_BAR_SECONDS
