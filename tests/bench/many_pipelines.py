"""The operator with 500 pipelines: time to converge, memory, CPU while nothing happens, and that it writes nothing then.

The API server is a real one (kind). Kafka, registry and MySQL are stubs in the operator's memory, so what is measured is
the operator itself and its talk with the API server. The pipelines are suspended: all of their objects exist, no pods.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from matplotlib.figure import Figure
from rich.console import Console

from holded_operator.constants import API_VERSION, PLURAL
from holded_operator.gateways.objects import OPTIONAL_KINDS, RESOURCES, collection_path, pipeline_path
from tests.bench.report import Section, publish
from tests.bench.usage import MemoryWatch, cpu_seconds, resident_mib
from tests.support.api_server import ApiServer
from tests.support.containers import free_port
from tests.support.kind_cluster import kind_cluster
from tests.support.operator_fakes import pipeline
from tests.support.waiting import wait_until

say = Console().print
ROOT = Path(__file__).parents[2]
MEMORY_BAR_MIB = 400
CPU_BAR_SECONDS = 1.0
NAMESPACE = "bench"
SECRETS = 10


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelines", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=2.0, help="length of the idle window")
    parser.add_argument("--keep", action="store_true", help="leave the pipelines for another run")
    options = parser.parse_args()
    with kind_cluster("holded-bench") as kubeconfig:
        api = ApiServer(kubeconfig)
        api.define(ROOT / "crds/holdedpipelines.holded.dev.yaml")
        wait_until(api.is_served, what="the CRD is served")
        try:
            _measure(api, kubeconfig, options)
        finally:
            if not options.keep:
                _remove(api)


def _measure(api: ApiServer, kubeconfig: Path, options: argparse.Namespace) -> None:
    port = free_port()
    with (
        tempfile.TemporaryFile() as log,
        _operator(kubeconfig, port, log) as process,
        MemoryWatch(process.pid) as memory,
    ):
        wait_until(
            lambda: httpx.get(f"http://127.0.0.1:{port}/ready").is_success, timeout=300, what="operator is ready"
        )
        empty = resident_mib(process.pid)
        began, cpu = time.monotonic(), cpu_seconds(process.pid)
        _create(api, options.pipelines)
        applied = time.monotonic() - began
        wait_until(
            lambda: _converged(api) == options.pipelines, timeout=1500, interval=1.0, what="all pipelines converged"
        )
        converged, converging = time.monotonic() - began, cpu_seconds(process.pid) - cpu
        say(f"converged after {converged:.0f} s, {converging:.1f} s CPU")
        _quiet(port)
        before, passes, cpu, start = _versions(api), _passes(port), cpu_seconds(process.pid), time.monotonic()
        time.sleep(60 * options.minutes)
        minutes = (time.monotonic() - start) / 60
        idle, done = (cpu_seconds(process.pid) - cpu) / minutes, _passes(port) - passes
        changed = sum(before.get(key) != version for key, version in _versions(api).items())
        resident = resident_mib(process.pid)
    rows = [
        ("Pipelines", str(options.pipelines), ""),
        ("All resources applied", f"{applied:.0f} s", ""),
        ("All converged, from the first apply", f"{converged:.0f} s", ""),
        ("CPU until then", f"{converging:.1f} s", ""),
        ("CPU a pipeline", f"{1000 * converging / options.pipelines:.0f} ms", ""),
        ("Memory before the first", f"{empty:.0f} MiB", ""),
        ("Memory, idle", f"{resident:.0f} MiB", f"< {MEMORY_BAR_MIB} MiB"),
        ("Memory, highest", f"{max(sample.mib for sample in memory.samples):.0f} MiB", f"< {MEMORY_BAR_MIB} MiB"),
        ("CPU idle, a minute", f"{idle:.2f} s", f"< {CPU_BAR_SECONDS:.0f} s"),
        ("Passes in the idle window", str(done), ""),
        ("Objects written in the idle window, Events included", str(changed), "0"),
    ]
    notes = (
        f"The idle window is {options.minutes:g} minutes long, with the default resync period of 30 s.",
        "API server: real (kind). Kafka, schema registry and MySQL: stubs in the operator's memory.",
        "The pipelines are suspended: every object exists, none has pods. All are in one namespace and share ten Secrets.",
    )
    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    axes.plot([sample.seconds for sample in memory.samples], [sample.mib for sample in memory.samples])
    axes.axhline(MEMORY_BAR_MIB, linestyle="--", color="grey")
    axes.axvline(converged, linestyle=":", color="grey")
    axes.set(
        xlabel="seconds since start (dotted: all converged)", ylabel="MiB resident", ylim=(0, MEMORY_BAR_MIB * 1.1)
    )
    publish(
        "operator",
        "Operator",
        "make bench-operator",
        [Section(f"{options.pipelines} pipelines", ("", "Measured", "Bar"), rows, notes)],
        {"memory": figure},
    )


@contextmanager
def _operator(kubeconfig: Path, port: int, log: Any) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {
        "KUBECONFIG": str(kubeconfig),
        "HOLDED_OPERATOR_PROBES_PORT": str(port),
        "HOLDED_OPERATOR_WATCH_NAMESPACES": NAMESPACE,
    }
    command = [sys.executable, "-m", "tests.bench.operator_with_stubs"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _create(api: ApiServer, count: int) -> None:
    if api.find(f"/api/v1/namespaces/{NAMESPACE}") is None:
        api.create_namespace(NAMESPACE)
        for number in range(SECRETS):
            api.create_secret(NAMESPACE, f"mysql-{number}", username="holded", password="bench")

    def one(number: int) -> None:
        name = f"pipeline-{number}"
        topics = {
            part: {"name": f"{name}.{part.lower()}"} for part in ("raw", "silver", "deadLetter", "analytics", "ledger")
        }
        mysql = {"host": "mysql", "credentialsSecretRef": {"name": f"mysql-{number % SECRETS}"}}
        body = pipeline(name, topics=topics, mysql=mysql, suspend=True)
        body["metadata"]["namespace"] = NAMESPACE
        if api.find(pipeline_path(NAMESPACE, name)) is None:
            api.request("POST", pipeline_path(NAMESPACE, None), json=body)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(count)))


def _converged(api: ApiServer) -> int:
    found = api.request("GET", pipeline_path(NAMESPACE, None))["items"]
    return sum(_is_converged(item) for item in found)


def _is_converged(item: dict[str, Any]) -> bool:
    status = item.get("status") or {}
    ready: dict[str, Any] = next((entry for entry in status.get("conditions", ()) if entry["type"] == "Ready"), {})
    return status.get("observedGeneration") == item["metadata"]["generation"] and ready.get("reason") == "Suspended"


def _quiet(port: int) -> None:
    """Wait until each pipeline has been looked at twice more: what was new is old then."""
    goal = _passes(port) + 2 * _pipelines(port)
    wait_until(lambda: _passes(port) >= goal, timeout=300, interval=1, what="two resyncs")


def _passes(port: int) -> int:
    return sum(_metric(port, "holded_operator_reconciles_total"))


def _pipelines(port: int) -> int:
    return sum(_metric(port, "holded_operator_pipelines"))


def _metric(port: int, name: str) -> list[int]:
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text.splitlines()
    return [int(float(line.rpartition(" ")[2])) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]


def _versions(api: ApiServer) -> dict[str, str]:
    """Return the version of every pipeline, of all that they own, and of all Events about them."""
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    kinds = [(API_VERSION, PLURAL), ("events.k8s.io/v1", "events")]
    kinds += [value for kind, value in RESOURCES.items() if kind not in OPTIONAL_KINDS]
    found = {}
    for version, plural in kinds:
        for item in api.request("GET", collection_path(version, plural, NAMESPACE), headers=accept)["items"] or ():
            found[item["metadata"]["uid"]] = item["metadata"]["resourceVersion"]
    return found


def _remove(api: ApiServer) -> None:
    """Take the pipelines away without their operator."""
    for item in api.request("GET", pipeline_path(NAMESPACE, None))["items"]:
        api.patch(pipeline_path(NAMESPACE, item["metadata"]["name"]), {"metadata": {"finalizers": None}})
    api.delete_namespace(NAMESPACE)


if __name__ == "__main__":
    main()
