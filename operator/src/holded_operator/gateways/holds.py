"""Requests that the API server asked to come later (`Retry-After`), by kind.

A kind of request is its method on one collection in one namespace: a server that is overloaded by one of them, or a
webhook behind it that refuses one namespace, holds up nobody else.
"""

import threading
from collections.abc import Callable
from typing import Final

MAX_HOLD_SECONDS: Final = 30.0
"""Longest wait that an answer can ask for, the default resync period: a wrong value must not stop a pipeline."""

type Request = tuple[str, str]


class Holds:
    """Safe for use by several threads."""

    def __init__(self, clock: Callable[[], float], longest: float = MAX_HOLD_SECONDS) -> None:
        self._clock = clock
        self._longest = longest
        self._lock = threading.Lock()
        self._until: dict[Request, tuple[float, str]] = {}

    def begin(self, method: str, path: str, retry_after: str | None, cause: str) -> float:
        """Hold this kind of request as an answer's `Retry-After` says, and return the seconds; 0 when it says nothing.

        Only whole seconds are read, the one form that the API server sends.
        """
        if retry_after is None or not (retry_after.isascii() and retry_after.isdecimal()):
            return 0.0
        seconds = min(float(retry_after), self._longest)
        now = self._clock()
        with self._lock:
            self._until = {kind: held for kind, held in self._until.items() if held[0] > now}
            self._until[_kind(method, path)] = (now + seconds, cause)
        return seconds

    def find(self, method: str, path: str) -> tuple[float, str] | None:
        """Return the seconds for which this kind of request is still held, and the server's words; else None."""
        with self._lock:
            until, cause = self._until.get(_kind(method, path), (0.0, ""))
        seconds = until - self._clock()
        return (seconds, cause) if seconds > 0 else None


def _kind(method: str, path: str) -> Request:
    """Return method and collection: /api/VERSION or /apis/GROUP/VERSION, the namespace, the plural."""
    parts = path.strip("/").split("/")
    start = 2 if parts[0] == "api" else 3
    end = start + 3 if parts[start : start + 1] == ["namespaces"] and len(parts) > start + 2 else start + 1
    return method, "/".join(parts[:end])
