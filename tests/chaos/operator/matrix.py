"""Runs the enumeration and tells which oracle was tried how often, and what failed."""

import argparse
import json
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.bench.report import Section, publish
from tests.chaos.operator.cases import Case, all_cases
from tests.support.api_server import ApiServer, Kubelet
from tests.support.kind_cluster import kind_cluster
from tests.support.waiting import wait_until

say = Console(soft_wrap=True, markup=False, highlight=False).print
ROOT = Path(__file__).parents[3]
ORACLES = {
    "O1": "convergence",
    "O2": "no dead field",
    "O3": "differential: edits against a fresh install and the render",
    "O4": "rollback",
    "O5": "quiescence",
    "O6": "update summary",
    "O7": "crash safety",
    "O8": "stale view",
    "O9": "API errors",
    "O10": "misoperation",
    "O11": "drift",
    "O12": "deletion",
    "O13": "isolation",
    "O14": "health",
    "O15": "hygiene",
}


@dataclass(frozen=True)
class Result:
    """What became of a case."""

    case: Case
    found: list[str]
    seconds: float


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-once", type=int, default=6, help="trials at the same time")
    parser.add_argument("--seed", type=int, default=20261123, help="seed of the drawn specs and of random faults")
    parser.add_argument("--examples", type=int, default=8, help="pairs of specs drawn from the CRD's schema")
    parser.add_argument("--only", default="", help="run only the cases whose name has this in it, and write no page")
    parser.add_argument("--results", type=Path, help="file of results: cases that stand in it are not run again")
    parser.add_argument("--minutes", type=float, default=600, help="start no case after this time")
    options = parser.parse_args()
    say(f"seed {options.seed}")
    with kind_cluster("holded-chaos") as kubeconfig:
        api = ApiServer(kubeconfig)
        api.define(ROOT / "crds/holdedpipelines.holded.dev.yaml")
        wait_until(api.is_served, what="the CRD is served")
        with Kubelet(api):
            cases = [
                case
                for case in all_cases(api, seed=options.seed, examples=options.examples)
                if options.only in case.name
            ]
            results = _known(options.results, cases)
            left = [case for case in cases if case not in {result.case for result in results}]
            for result in run(left, at_once=options.at_once, seconds=60 * options.minutes):
                results.append(result)
                _keep(options.results, result)
    failures = report(results, cases=len(cases), seed=options.seed, write=not options.only)
    sys.exit(1 if failures else 0)


def _known(path: Path | None, cases: Sequence[Case]) -> list[Result]:
    """Return the results of an earlier run of the same cases."""
    if path is None or not path.exists():
        return []
    by_name = {case.name: case for case in cases}
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [
        Result(by_name[entry["case"]], entry["found"], entry["seconds"])
        for entry in entries
        if entry["case"] in by_name
    ]


def _keep(path: Path | None, result: Result) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            entry = {"case": result.case.name, "found": result.found, "seconds": result.seconds}
            file.write(json.dumps(entry) + "\n")


def run(cases: Sequence[Case], *, at_once: int, seconds: float) -> Iterator[Result]:
    """Run cases, several at the same time, and tell of each."""
    lock, began = threading.Lock(), time.monotonic()
    with ThreadPoolExecutor(at_once) as threads:
        futures = [threads.submit(_run, case, began + seconds) for case in cases]
        for done, future in enumerate(as_completed(futures), start=1):
            result = future.result()
            if result is None:
                continue
            with lock:
                mark, at = "FAILED" if result.found else "ok", time.monotonic() - began
                say(f"[{at:5.0f}s] {done}/{len(cases)} {mark} {result.case.name} ({result.seconds:.0f} s)")
                for line in result.found:
                    say(f"    {line[:1500]}")
            yield result


def _run(case: Case, deadline: float) -> Result | None:
    began = time.monotonic()
    if began > deadline:
        return None
    try:
        found = case.run()
    except Exception:  # noqa: BLE001 -- a case that breaks is a failure, and the others run on
        found = [traceback.format_exc()[-2000:]]
    return Result(case, found, time.monotonic() - began)


def report(results: Sequence[Result], *, cases: int, seed: int, write: bool) -> int:
    """Print the matrix, write the page; return the number of failed runs."""
    matrix = []
    for oracle, meaning in ORACLES.items():
        of = [result for result in results if oracle in result.case.oracles]
        matrix.append([oracle, meaning, str(len(of)), str(sum(bool(result.found) for result in of))])
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.case.row, []).append(result)
    table = [
        [row, ", ".join(of[0].case.oracles), str(len(of)), str(sum(bool(result.found) for result in of))]
        for row, of in sorted(rows.items())
    ]
    failures = [result for result in results if result.found]
    if write:
        publish(
            "operator-faults",
            "Operator: faults",
            "make chaos-operator",
            [
                Section(
                    "Oracles",
                    ("Oracle", "Meaning", "Runs", "Failures"),
                    matrix,
                    notes=(
                        f"{len(results)} of {cases} cases were run, with seed {seed}.",
                        "A real kube-apiserver with its controllers (kind); Kafka, schema registry and MySQL in memory.",
                        (
                            "The operator is a process of its own: its entry point, kopf, loops, reconciler and Kubernetes "
                            "gateway are those of production; its requests and watches go through a proxy that fails."
                        ),
                        "No node takes the pods; a thread tells of each that it is ready, as a kubelet would.",
                        (
                            "A disturbed run is compared with an undisturbed one: objects, revisions, pods, topics, "
                            "subjects, migrations, spec, finalizers, status, and what was created and deleted by kind."
                        ),
                        "A run counts for each oracle that it is about; rows of unit tests say so.",
                    ),
                ),
                Section("What was run", ("Row", "Oracles", "Runs", "Failures"), table),
            ],
            {},
        )
    else:
        for line in matrix:
            say(" | ".join(line))
    say(f"{len(results)} runs, {len(failures)} failures")
    return len(failures)
