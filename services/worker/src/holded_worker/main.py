"""Entry point of the worker."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

import structlog

from holded_contracts.io.logs import configure_logging
from holded_contracts.io.probes import Heartbeat, Probes
from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import WorkerSettings
from holded_worker.domain.process import Rules
from holded_worker.driver import Driver, Runner
from holded_worker.embedded import EmbeddedRunner
from holded_worker.io.errors import FatalError
from holded_worker.metrics import Metrics
from holded_worker.watchdog import watch

_REGISTRY_PATIENCE_SECONDS = 5.0  # the main loop retries, and beats its heart in between

log = structlog.get_logger()


def main(make_runner: Callable[[Rules], Runner] = EmbeddedRunner) -> None:
    """Run the worker until SIGTERM or SIGINT; the exit code is 1 after a fault that a new process may heal."""
    settings = WorkerSettings()
    configure_logging(settings, service="worker")
    for chatty in ("apache_beam", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stop = threading.Event()
    _stop_on_signals(stop, settings.shutdown_grace_seconds)
    sys.exit(run(settings, stop, make_runner))


def run(settings: WorkerSettings, stop: threading.Event, make_runner: Callable[[Rules], Runner]) -> int:
    """Compose the worker and run it until `stop` is set; return the exit code."""
    registry = RegistryReader(settings.schema_registry, patience_seconds=_REGISTRY_PATIENCE_SECONDS)
    heartbeat = Heartbeat()
    driver = Driver(
        settings,
        runner=make_runner(Rules.of(settings)),
        registry=registry,
        metrics=Metrics(),
        heartbeat=heartbeat,
        stop=stop,
    )
    watch(heartbeat, stop)
    probes = Probes(settings.probes_port, heartbeat=heartbeat, ready=driver.not_ready)
    # What is here now stays: the collector need not walk over Beam's modules again and again.
    gc.freeze()
    try:
        driver.run()
    except FatalError as error:
        log.error("can't go on", cause=str(error))  # noqa: TRY400 -- the sentence says all, a trace would hide it
        return 1
    except Exception:
        # A fault of the whole stage, not of one record: a restart with Kubernetes' back-off, and no dead letters.
        log.exception("unexpected fault")
        return 1
    finally:
        probes.close()
        registry.close()
    log.info("stopped")
    return 0


def _stop_on_signals(stop: threading.Event, grace_seconds: float) -> None:
    """Let the first signal end the loop, and end the process when the loop needs longer than the grace period.

    That is safe at any point: what has not been committed is aborted by the next process of this pod.
    """

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            return
        stop.set()
        log.info("stopping", signal=signal.Signals(number).name)
        watchdog = threading.Timer(grace_seconds, lambda: os._exit(1))
        watchdog.daemon = True
        watchdog.start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


if __name__ == "__main__":
    main()
