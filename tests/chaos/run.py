"""Faults under load on a three-node kind cluster: `make chaos`, `make chaos SCENARIOS="worker-killed node-drained"`.

Each scenario: events at a steady rate, the fault, its end, recovery, then every data oracle. The table is printed and
written to docs/bench/chaos.md; the exit code is 1 when an oracle is violated or recovery took too long.
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rich.console import Console

from tests.bench.report import Section, publish
from tests.chaos.oracles import Findings
from tests.chaos.registry import SCENARIOS, Scenario
from tests.chaos.trial import RECOVERY_BAR_SECONDS, Outcome, run
from tests.chaos.world import World
from tests.support.nodes import of_cluster
from tests.support.stack import Stack, Testbed

TESTBED = Testbed("holded-chaos", "tests/chaos/kind-config.yaml")
MODULES = ("storms", "pods", "systems", "edits", "machines")
"""Of tests/chaos/scenarios, in the order in which they run."""

console = Console(width=int(os.environ.get("COLUMNS", "160")))


def main() -> int:
    """Run the scenarios that were asked for."""
    for module in MODULES:
        importlib.import_module(f"tests.chaos.scenarios.{module}")
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("scenarios", nargs="*", help=f"all by default: {', '.join(SCENARIOS)}")
    arguments.add_argument("--records", type=Path, default=Path(".tools/chaos"), help="folder of the acknowledgements")
    arguments.add_argument("--standing", action="store_true", help="the installation stands since a run with --keep")
    arguments.add_argument("--keep", action="store_true", help="leave the cluster standing at the end")
    options = arguments.parse_args()
    unknown = set(options.scenarios) - SCENARIOS.keys()
    if unknown:
        arguments.error(f"no scenario is called {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    chosen = [SCENARIOS[name] for name in options.scenarios or SCENARIOS]
    options.records.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        world = World(TESTBED.stack(kubeconfig) if options.standing else installed(kubeconfig))
        world.install()
        outcomes = [attempt(world, each, options.records) for each in chosen]
    if not options.keep:
        TESTBED.step("clean")
    publish("chaos", "Faults under load", "make chaos", [table(outcomes), what(chosen)], {})
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def installed(kubeconfig: Path) -> Stack:
    """Install both charts on the cluster; what keeps data is bound to the first node."""
    TESTBED.step("cluster")
    TESTBED.step("images")
    stack = TESTBED.stack(kubeconfig)
    workers = [node for node in of_cluster(TESTBED.cluster) if not node.endswith("control-plane")]
    for node in workers:
        stack.cluster.kubectl("cordon", node)
    try:
        TESTBED.step("deploy")
    finally:
        for node in workers:
            stack.cluster.kubectl("uncordon", node)
    return stack


def attempt(world: World, scenario: Scenario, records: Path) -> Outcome:
    """Run a scenario and say how it went; what breaks the run itself is a violation, too, and the next one goes on."""
    console.print(f"{time.strftime('%H:%M:%S')} {scenario.name}: {scenario.about}", markup=False, highlight=False)
    try:
        outcome = run(world, scenario, records / f"{scenario.name}.jsonl")
    except (AssertionError, OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
        traceback.print_exc()
        outcome = Outcome(scenario, findings=Findings(others=[f"not finished: {str(error)[:300]}"]))
    console.print(f"         {'passed' if outcome.passed else 'FAILED'}: {', '.join(cells(outcome)[1:])}", markup=False)
    return outcome


COLUMNS = (
    *(
        "Scenario",
        "Acknowledged",
        "Lost",
        "Duplicated",
        "Dead by mistake",
        "Fault (s)",
        "Recovery (s)",
        "Other oracles",
    ),
)


def cells(outcome: Outcome) -> list[str]:
    """Return a row of the table."""
    found = outcome.findings
    recovery = "—" if outcome.recovery_seconds is None else f"{outcome.recovery_seconds:.0f}"
    return [
        outcome.scenario.name,
        f"{outcome.acknowledged:,}",
        *(str(number) for number in (found.lost, found.duplicated, found.dead_by_mistake)),
        f"{outcome.fault_seconds:.0f}",
        recovery,
        "; ".join(found.others) or "hold",
    ]


def table(outcomes: list[Outcome]) -> Section:
    """Return the table of what was found."""
    failed = [outcome.scenario.name for outcome in outcomes if not outcome.passed]
    return Section(
        "Scenarios",
        COLUMNS,
        [cells(outcome) for outcome in outcomes],
        [
            f"Recovery: from the fault's end until events flow to gold again, for good; bar {RECOVERY_BAR_SECONDS:.0f} s.",
            f"{len(outcomes) - len(failed)} of {len(outcomes)} scenarios passed"
            + (f"; failed: {', '.join(failed)}." if failed else "."),
        ],
    )


def what(scenarios: list[Scenario]) -> Section:
    """Return what each scenario does."""
    return Section("What happens", ("Scenario", "Fault"), [[each.name, each.about] for each in scenarios])


if __name__ == "__main__":
    sys.exit(main())
