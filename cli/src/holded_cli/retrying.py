"""Repeating a transaction that lost a deadlock or waited too long for a lock."""

from collections.abc import Callable

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from holded_cli.mysql import ConflictError

_ATTEMPTS = 8


def until_it_commits[T](transaction: Callable[[], T]) -> T:
    """Run a transaction, again after a conflict with another; the last conflict is raised."""
    retrying = Retrying(
        retry=retry_if_exception_type(ConflictError),
        wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
        stop=stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    return retrying(transaction)
