"""Kinds of which the API server knows nothing: not to ask again and again for what only some clusters have."""

import threading
from collections.abc import Callable
from typing import Final

from holded_operator.gateways.objects import OPTIONAL_KINDS, RESOURCES

ABSENT_SECONDS: Final = 600
"""A kind that is not served is not listed again within this time, unless we make an object of it."""

_OPTIONAL: Final = frozenset(RESOURCES[kind][1] for kind in OPTIONAL_KINDS)


class Absences:
    """Which optional kinds, by plural, were not served when they were last asked for. Safe for several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def holds(self, plural: str) -> bool:
        """Tell whether it is too early to ask for a kind again."""
        with self._lock:
            until = self._until.get(plural)
        return until is not None and self._clock() < until

    def begin(self, plural: str) -> None:
        """Remember that a kind is not served, if it is an optional one."""
        if plural in _OPTIONAL:
            with self._lock:
                self._until[plural] = self._clock() + ABSENT_SECONDS

    def end(self, plural: str) -> None:
        """Forget it: the kind is served."""
        with self._lock:
            self._until.pop(plural, None)
