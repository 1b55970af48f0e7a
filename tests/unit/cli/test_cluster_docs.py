"""The guide shows what `kubectl holded` prints."""

import re
from pathlib import Path

import pytest

from tests.support.operator_fakes import World, pipeline
from tests.unit.cli.cluster_world import RULE, manifest, plugin, reconcile, running

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "operating.md").read_text("utf-8")


def example(command: str) -> list[str]:
    """Return the lines that the guide prints below a command, without what depends on versions."""
    (block,) = re.findall(rf"^```text\n\$ {re.escape(command)}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return comparable(block)


def comparable(text: str) -> list[str]:
    return [re.sub(r'"([\w.]+\+)?[0-9a-f]{16}"', '"checksum"', line.rstrip()) for line in text.splitlines()]


def test_the_example_of_why_is_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    del world.kubernetes.secrets["mysql"]
    world.kubernetes.create(pipeline())
    reconcile(world)
    shown = example("kubectl holded why demo")
    assert shown.pop() == "..."
    assert comparable(plugin(world, monkeypatch, "why", "demo").stdout)[: len(shown)] == shown


def test_the_example_of_a_plan_is_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    world = running(topics={"silver": {"partitions": 3}}, worker={"classification": {"rules": []}})
    edited = manifest(world, topics={"silver": {"partitions": 48}}, worker={"classification": {"rules": [RULE]}})
    printed = plugin(world, monkeypatch, "plan", "-f", "-", stdin=edited).stdout
    assert comparable(printed) == example("kubectl holded plan -f demo.yaml")
