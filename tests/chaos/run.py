"""Faults under load on a three-node kind cluster: `make chaos`, `make chaos SCENARIOS="worker-killed node-drained"`.

Each scenario: events at a steady rate, the fault, its end, recovery, then every data oracle. The table is printed and
written to docs/bench/chaos.md; the exit code is 1 when an oracle is violated or recovery took too long.
"""

import argparse
import importlib
import json
import os
import signal
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
MODULES = ("storms", "pods", "systems", "edits", "machines", "flink")
"""Of tests/chaos/scenarios, in the order in which they run."""

ROWS = "rows.json"
"""File beside the records that keeps the newest row of each scenario."""

console = Console(width=int(os.environ.get("COLUMNS", "160")))


def main() -> int:
    """Run the scenarios that were asked for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # faults are undone on the way out
    for module in MODULES:
        importlib.import_module(f"tests.chaos.scenarios.{module}")
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("scenarios", nargs="*", help=f"all by default: {', '.join(SCENARIOS)}")
    arguments.add_argument("--records", type=Path, default=Path(".tools/chaos"), help="folder of the acknowledgements")
    arguments.add_argument(
        "--standing", action="store_true", help="the installation and its pipeline stand since a run with --keep"
    )
    arguments.add_argument("--keep", action="store_true", help="leave the cluster standing at the end")
    options = arguments.parse_args()
    unknown = set(options.scenarios) - SCENARIOS.keys()
    if unknown:
        arguments.error(f"no scenario is called {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    chosen = [SCENARIOS[name] for name in options.scenarios or SCENARIOS]
    options.records.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        if options.standing:
            world = World(TESTBED.stack(kubeconfig))
            world.pipeline.wait_ready()
        else:
            world = World(installed(kubeconfig))
            world.install()
        if any("flink" in each.name for each in chosen):
            TESTBED.step("flink")
        passed = [attempt(world, each, options.records) for each in chosen]
    if not options.keep:
        TESTBED.step("clean")
    publish("chaos", "Faults under load", "make chaos", [table(kept_rows(options.records)), what()], {})
    return 0 if all(passed) else 1


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


def attempt(world: World, scenario: Scenario, records: Path) -> bool:
    """Run a scenario and keep its row; what breaks the run itself is a violation, too, and the next one goes on."""
    console.print(f"{time.strftime('%H:%M:%S')} {scenario.name}: {scenario.about}", markup=False, highlight=False)
    try:
        outcome = run(world, scenario, records / f"{scenario.name}.jsonl")
    except (AssertionError, OSError, LookupError, ValueError, subprocess.SubprocessError) as error:
        traceback.print_exc()
        outcome = Outcome(scenario, findings=Findings(others=[f"not finished: {str(error)[:300]}"]))
    console.print(f"         {', '.join(cells(outcome)[1:])}", markup=False)
    kept = {row[0]: row for row in kept_rows(records)} | {scenario.name: cells(outcome)}
    (records / ROWS).write_text(json.dumps(kept, indent=1))
    return outcome.passed


COLUMNS = (
    *("Scenario", "Verdict", "Acknowledged", "Lost", "Duplicated", "Dead by mistake", "Fault (s)", "Recovery (s)"),
    *("Other oracles", "UTC"),
)


def cells(outcome: Outcome) -> list[str]:
    """Return a row of the table."""
    found = outcome.findings
    recovery = "—" if outcome.recovery_seconds is None else f"{outcome.recovery_seconds:.0f}"
    return [
        outcome.scenario.name,
        "passed" if outcome.passed else "FAILED",
        f"{outcome.acknowledged:,}",
        *(str(number) for number in (found.lost, found.duplicated, found.dead_by_mistake)),
        f"{outcome.fault_seconds:.0f}",
        recovery,
        "; ".join(found.others) or "hold",
        time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    ]


def kept_rows(records: Path) -> list[list[str]]:
    """Return the newest row of every scenario that has run here, in the scenarios' order."""
    store = records / ROWS
    rows: dict[str, list[str]] = json.loads(store.read_text()) if store.exists() else {}
    return [rows[name] for name in SCENARIOS if name in rows]


def table(rows: list[list[str]]) -> Section:
    """Return the table of what was found."""
    failed = [row[0] for row in rows if row[1] != "passed"]
    missing = [name for name in SCENARIOS if name not in {row[0] for row in rows}]
    notes = [
        f"Recovery: from the fault's end until events flow to gold again, for good; bar {RECOVERY_BAR_SECONDS:.0f} s.",
        f"{len(rows) - len(failed)} of {len(rows)} passed" + (f"; failed: {', '.join(failed)}." if failed else "."),
        "A run of some scenarios replaces their rows; UTC is when each was run last.",
    ]
    notes += [f"Not run: {', '.join(missing)}."] if missing else []
    return Section("Scenarios", COLUMNS, rows, notes)


def what() -> Section:
    """Return what each scenario does."""
    return Section("What happens", ("Scenario", "Fault"), [[each.name, each.about] for each in SCENARIOS.values()])


if __name__ == "__main__":
    sys.exit(main())
