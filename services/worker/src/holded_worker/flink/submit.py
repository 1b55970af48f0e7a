"""Entry point of the supervisor: sees that exactly one job of the pipeline runs on Flink, with the wished settings."""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

import structlog
from apache_beam.runners.runner import PipelineState
from prometheus_client import Gauge

from holded_contracts.io.logs import configure_logging
from holded_contracts.io.probes import Heartbeat, Probes
from holded_contracts.settings import FlinkSettings, WorkerSettings
from holded_worker.flink.job import make_job
from holded_worker.flink.job_settings import job_name, job_prefix
from holded_worker.flink.restore_points import RestorePoints
from holded_worker.flink.supervisor import Submission, Supervisor
from holded_worker.io.errors import TransientError
from holded_worker.io.group_offsets import GroupOffsets
from holded_worker.io.jobmanager import JobManager

_TURN_SECONDS = 1.0

log = structlog.get_logger()

STATES = ("running", "starting", "absent")


def main() -> None:
    """Supervise until SIGTERM or SIGINT. The job is left running: the next supervisor adopts it."""
    settings = WorkerSettings()
    configure_logging(settings, service="worker")
    for chatty in ("apache_beam", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    if settings.flink is None:
        log.error("HOLDED_FLINK__JOBMANAGER_URL is not set: the supervisor serves runner Flink only")
        sys.exit(1)
    supervise(settings, settings.flink, stop)


def supervise(settings: WorkerSettings, flink: FlinkSettings, stop: threading.Event) -> None:
    """Look after the job until `stop` is set."""
    heartbeat = Heartbeat()
    manager, offsets = JobManager(flink.jobmanager_url), GroupOffsets(settings)

    def submit(restore: str | None) -> Submission:
        result = make_job(settings, flink, restore).run()

        def over() -> bool:
            try:
                return bool(PipelineState.is_terminal(result.state))
            except Exception:  # noqa: BLE001 -- gRPC is Beam's dependency, not ours
                return False  # nobody knows; Flink will show the job, or not

        return over

    supervisor = Supervisor(
        job_prefix(settings),
        job_name(settings),
        manager=manager,
        points=RestorePoints(flink.state_url, f"{settings.pipeline.namespace}.{settings.pipeline.name}"),
        savepoints=f"{flink.state_url.rstrip('/')}/savepoints",
        members=offsets.members,
        submit=submit,
    )
    _show(supervisor)
    probes = Probes(
        settings.probes_port,
        heartbeat=heartbeat,
        ready=supervisor.not_ready,
        documents={"/job": supervisor.document},
    )
    try:
        while not stop.wait(_TURN_SECONDS):
            _turn(supervisor.turn, heartbeat, stop)
    finally:
        probes.close()
        manager.close()
        offsets.close()
    log.info("stopped")


def _turn(turn: Callable[[], None], heartbeat: Heartbeat, stop: threading.Event) -> None:
    """Take one turn; what fails is said and tried again, for the job needs nobody as long as it runs."""
    heartbeat.beat()
    try:
        turn()
    except TransientError as fault:
        log.warning("will try again", cause=str(fault))
        stop.wait(_TURN_SECONDS)


def _show(supervisor: Supervisor) -> None:
    """Register the supervisor's metrics."""
    running = Gauge("holded_worker_flink_job_running", "1 when the job with the wished settings runs.")
    running.set_function(lambda: float(supervisor.not_ready() is None))
    age = Gauge("holded_worker_flink_checkpoint_age_seconds", "Time since the newest checkpoint; NaN before the first.")
    age.set_function(lambda: _number(supervisor.status.checkpoint_age_seconds))
    restarts = Gauge("holded_worker_flink_job_restarts", "How often Flink has restarted the job.")
    restarts.set_function(lambda: _number(supervisor.status.restarts))


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


if __name__ == "__main__":
    main()
