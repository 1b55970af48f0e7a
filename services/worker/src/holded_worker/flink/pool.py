"""Entry point of the sidecar of a TaskManager: starts a worker process for each job that the TaskManager runs.

Beam's own worker pool, with our logs, probes and metrics around it. The processes inherit this one's environment, which
is where they have their secrets from.
"""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import structlog
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from holded_contracts.io.logs import configure_logging
from holded_contracts.io.probes import Heartbeat, Probes
from holded_contracts.settings import FlinkSettings, WorkerSettings

_TURN_SECONDS = 5.0

log = structlog.get_logger()


def main() -> None:
    """Serve until SIGTERM or SIGINT; worker processes end with this one."""
    settings = WorkerSettings()
    configure_logging(settings, service="worker")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if settings.flink is None:
        log.error("HOLDED_FLINK__JOBMANAGER_URL is not set: the pool serves runner Flink only")
        sys.exit(1)
    serve(settings, settings.flink, stop)


def serve(settings: WorkerSettings, flink: FlinkSettings, stop: threading.Event) -> None:
    """Serve the pool on the port of `flink.worker_pool` until `stop` is set."""
    # Beam starts processes by the name `python`, and never reads what they print on stdout; our logs are on stderr.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        metrics = CollectorRegistry()
        MultiProcessCollector(metrics, path=folder)  # type: ignore[no-untyped-call]
        port = int(flink.worker_pool.rpartition(":")[2])
        _, server = BeamFnExternalWorkerPoolServicer.start(use_process=True, port=port)
        heartbeat = Heartbeat()
        probes = Probes(settings.probes_port, heartbeat=heartbeat, ready=lambda: None, registry=metrics)
        log.info("started", port=port)
        while not stop.wait(_TURN_SECONDS):
            heartbeat.beat()
        log.info("stopping")
        server.stop(0)
        probes.close()


if __name__ == "__main__":
    main()
