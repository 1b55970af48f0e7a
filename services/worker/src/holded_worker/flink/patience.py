"""Waiting out what will pass: a job is never failed for a broker or a registry that is away."""

from collections.abc import Callable

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from holded_worker.io.errors import TransientError
from holded_worker.metrics import Metrics

log = structlog.get_logger()


class Patience:
    """Repeats what failed for a reason that passes, and says so each time."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def persistently[T](self, work: Callable[[], T]) -> T:
        """Do a piece of work; transient faults are retried with growing pauses until it succeeds."""
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_exponential_jitter(multiplier=0.2, max=10.0),
            before_sleep=self._before_retry,
            reraise=True,
        )
        return retrying(work)

    def tried_in_vain(self, cause: object) -> None:
        """Count and log a fault that will pass."""
        self._metrics.fault("transient")
        log.warning("will try again", cause=str(cause))

    def _before_retry(self, state: RetryCallState) -> None:
        self.tried_in_vain(state.outcome.exception() if state.outcome is not None else None)
