"""Waiting in tests: poll for the condition, never sleep for a guess."""

import time
from collections.abc import Callable


def wait_until[T](predicate: Callable[[], T], *, timeout: float = 30.0, interval: float = 0.1, what: str = "") -> T:
    """Return the predicate's first true value; an exception it raises counts as 'not yet'."""
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            value = predicate()
            if value:
                return value
            last = value
        except Exception as error:  # noqa: BLE001 -- whatever is not up yet may fail in any way
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"still not after {timeout:.0f} s: {what or predicate}; last: {last!r}")
        time.sleep(interval)


def wait_for_none(find: Callable[[], list[str]], *, timeout: float, interval: float = 0.5) -> list[str]:
    """Wait until nothing is found; return what is found when the time is up."""
    deadline = time.monotonic() + timeout
    while True:
        found = find()
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(interval)
