"""Workers that SIGKILL themselves at a named point.

The product knows nothing of it: in a process of its own, the function next to the point is replaced before the worker's
`main` runs. Points count from the second batch on, so that the process has committed something before it dies.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import confluent_kafka

from holded_contracts.settings import WorkerSettings
from holded_contracts.settings.render import render_env
from holded_worker import main
from holded_worker.dedup import DedupIndex
from holded_worker.embedded import EmbeddedRunner
from holded_worker.io import producer
from holded_worker.io.consumer import RawConsumer
from holded_worker.io.readback import SilverReadback
from holded_worker.metrics import Metrics
from tests.support.containers import free_port


def die(*_: Any) -> None:
    """End this process as the kernel's out-of-memory killer would."""
    os.kill(os.getpid(), signal.SIGKILL)


class _Countdown:
    """Lets the first call that counts pass, and dies at the second."""

    def __init__(self) -> None:
        self._left = 1

    def __call__(self) -> None:
        if self._left == 0:
            die()
        self._left -= 1


def _replace(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    setattr(owner, name, wraps(getattr(owner, name))(wrapper(getattr(owner, name))))


def before(owner: Any, name: str) -> None:
    """Die when the function is called for the second time."""
    countdown = _Countdown()

    def wrapper(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            countdown()
            return real(*args, **options)

        return call

    _replace(owner, name, wrapper)


def after(owner: Any, name: str, counts: Callable[[Any], bool] = lambda _: True) -> None:
    """Die when the function has returned a result that counts for the second time."""
    countdown = _Countdown()

    def wrapper(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            result = real(*args, **options)
            if counts(result):
                countdown()
            return result

        return call

    _replace(owner, name, wrapper)


class _Producer(confluent_kafka.Producer):  # type: ignore[misc]
    """The worker's producer in a class whose methods can be replaced."""

    def send_offsets_to_transaction(self, *args: Any) -> None:
        """Send offsets when the broker has the batch's records, so that a death before lies between the two."""
        self.flush(30)
        super().send_offsets_to_transaction(*args)


POINTS: dict[str, Callable[[], None]] = {
    "polled, not processed": lambda: after(RawConsumer, "poll_batch", bool),
    "processed, transaction not begun": lambda: after(EmbeddedRunner, "run"),
    "transaction begun, nothing produced": lambda: after(_Producer, "begin_transaction"),
    "outputs in the log, offsets not sent": lambda: after(_Producer, "flush"),
    "offsets sent, not committed": lambda: before(_Producer, "commit_transaction"),
    "committed, dedup not updated": lambda: after(_Producer, "commit_transaction"),
    "in the middle of updating dedup": lambda: before(DedupIndex, "add_new"),
    "dedup updated, batch not counted": lambda: before(Metrics, "committed"),
    "reading silver back": lambda: before(SilverReadback, "read"),
}


def run_until_death(point: str, settings: WorkerSettings, log: Path) -> int | None:
    """Run a worker in a process of its own until it has died at the point; return its exit code.

    The processes are forked from one that has imported everything and holds no client: Beam takes seconds to import.
    """
    environment = {
        **render_env(settings.model_copy(update={"probes_port": free_port()})),
        "HOLDED_POD_NAME": settings.pod_name,
    }
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(point, environment, str(log)))
    process.start()
    process.join(60)
    process.kill()
    process.join(10)
    return process.exitcode


def _run(point: str, environment: dict[str, str], log: str) -> None:
    os.environ.update(environment)
    target = os.open(log, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(target, stream)
    vars(producer)["Producer"] = _Producer
    POINTS[point]()
    main.main()
