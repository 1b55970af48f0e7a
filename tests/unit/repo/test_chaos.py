"""What `make chaos` runs, and how it tells that events flow."""

import importlib
import time
from pathlib import Path

import pytest

from holded_contracts.settings import MySQLSettings
from tests.chaos.registry import SCENARIOS
from tests.chaos.run import MODULES
from tests.chaos.traffic import Notebook
from tests.chaos.watch import CALM_SECONDS, Sample, Watch

FOLDER = Path(__file__).parents[2] / "chaos" / "scenarios"


def watch_that_saw(tmp_path: Path, *looks: tuple[float, bool]) -> Watch:
    """Return a watch with samples so many seconds ago."""

    def gold() -> MySQLSettings:
        raise AssertionError("not asked")

    with (tmp_path / "record").open("wb") as file:
        watch = Watch(gold, Notebook(file))
    now = time.monotonic()
    watch.samples = [Sample(now - ago, flows, 0) for ago, flows in looks]
    return watch


def test_every_module_of_scenarios_is_run_and_each_says_what_it_does():
    assert sorted(MODULES) == sorted(path.stem for path in FOLDER.glob("*.py"))
    for module in MODULES:
        importlib.import_module(f"tests.chaos.scenarios.{module}")
    assert len(SCENARIOS) > 20
    assert all(each.about for each in SCENARIOS.values())


def test_events_that_have_flowed_for_long_enough_are_calm_since_the_first_look(tmp_path: Path):
    watch = watch_that_saw(tmp_path, (CALM_SECONDS + 5, True), (1, True))
    moment = time.monotonic() - CALM_SECONDS - 6
    assert watch.calm_since(moment) == watch.samples[0].at


@pytest.mark.parametrize("break_ago", [CALM_SECONDS + 1, 3.0])
def test_a_later_break_begins_the_calm_anew(tmp_path: Path, break_ago: float):
    watch = watch_that_saw(tmp_path, (CALM_SECONDS + 9, True), (break_ago, False), (break_ago - 0.5, True), (0.1, True))
    moment = time.monotonic() - CALM_SECONDS - 10
    calm = watch.calm_since(moment)
    assert calm == (watch.samples[2].at if break_ago - 0.5 > CALM_SECONDS else None)


def test_what_was_before_the_moment_does_not_count(tmp_path: Path):
    watch = watch_that_saw(tmp_path, (CALM_SECONDS + 9, True), (1, True))
    assert watch.calm_since(time.monotonic() - 2) is None
