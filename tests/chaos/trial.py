"""One scenario from its first event to its findings."""

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import oracles
from tests.chaos.oracles import Findings
from tests.chaos.registry import Scenario
from tests.chaos.traffic import Traffic
from tests.chaos.watch import Watch
from tests.chaos.world import COMPONENTS, EMBEDDED, ON_FLINK, World

RECOVERY_BAR_SECONDS = 60.0
STEADY_TIMEOUT = 90.0
RECOVERY_TIMEOUT = 300.0


@dataclass(frozen=True)
class Outcome:
    """What a scenario found."""

    scenario: Scenario
    acknowledged: int = 0
    """Events that got their 2xx, copies not counted."""
    fault_seconds: float = 0.0
    recovery_seconds: float | None = None
    """From the fault's end until events flowed again, for good; None when they did not."""
    seconds: float = 0.0
    findings: Findings = field(default_factory=Findings)

    @property
    def passed(self) -> bool:
        """Whether every oracle holds and recovery met its bar."""
        return (
            self.findings.clean and self.recovery_seconds is not None and self.recovery_seconds < RECOVERY_BAR_SECONDS
        )


def run(world: World, scenario: Scenario, record: Path) -> Outcome:
    """Send events, let the fault happen, wait until all is well again, and ask the oracles."""
    started = time.monotonic()
    world.run_worker(ON_FLINK if scenario.on_flink else EMBEDDED)
    before = world.gold_position()
    world.known_rules.clear()
    world.note_rules()
    problems: list[str] = []
    recovery = None
    with Traffic(world.url, scenario.load, record) as traffic, Watch(world.gold, traffic.notebook) as watch:
        watch.wait_calm(started, timeout=STEADY_TIMEOUT)
        began = time.monotonic()
        try:
            scenario.fault(dataclasses.replace(world, running=traffic))
        except AssertionError as error:
            problems.append(f"during the fault: {str(error)[:300]}")
        ended = time.monotonic()
        try:
            recovery = watch.wait_calm(ended, timeout=RECOVERY_TIMEOUT)
        except AssertionError as error:
            problems.append(f"D8: {str(error)[:200]}")
    if traffic.tally.failure:
        problems.append(f"the sender gave up: {traffic.tally.failure}")
    world.pipeline.wait_ready()
    world.note_rules()
    findings = oracles.check(world, traffic.notebook, before)
    findings.others[:0] = problems
    fresh(world)
    return Outcome(scenario, len(traffic.notebook.sent), ended - began, recovery, time.monotonic() - started, findings)


def fresh(world: World) -> None:
    """Replace pods that were started anew: Kubernetes lets them wait longer each time, which is not the next fault's."""
    restarted = [
        pod
        for component in COMPONENTS
        for pod in world.pods(component)
        if any(status["restartCount"] for status in pod["status"].get("containerStatuses", []))
    ]
    for pod in restarted:
        world.replace(pod)
    if restarted:
        world.pipeline.wait_ready()
