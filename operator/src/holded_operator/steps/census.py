"""What a resync asks of Kubernetes, asked once for all pipelines and kept for a short time.

A pass for a reason (an event, an edit, a failure) reads everything afresh. A pass that comes by time alone almost
always finds what the last one left behind, and five hundred of them must not cost five thousand requests: they share
one list of versions of each kind, and one reading of each Secret.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holded_operator.gateways.interfaces import KubernetesGateway, Versions


@dataclass
class _Round:
    taken: float
    versions: Mapping[str, Versions]
    secrets: dict[tuple[str, str], Mapping[str, bytes] | None] = field(default_factory=dict)


class Census:
    """Safe for use by several threads. What it tells is at most `max_age_seconds` old."""

    def __init__(
        self,
        kubernetes: KubernetesGateway,
        namespaces: Sequence[str],
        *,
        max_age_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._kubernetes = kubernetes
        self._namespaces = namespaces
        self._max_age = max_age_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._round: _Round | None = None

    def versions(self, uid: str) -> Versions | None:
        """Return the versions of a pipeline and of what it owns, None when there is no such pipeline."""
        return self._fresh().versions.get(uid)

    def read_secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's values, None when it does not exist."""
        known = self._fresh().secrets
        if (namespace, name) not in known:
            known[namespace, name] = self._kubernetes.read_secret(namespace, name)
        return known[namespace, name]

    def _fresh(self) -> _Round:
        with self._lock:
            now = self._clock()
            if self._round is None or now - self._round.taken > self._max_age:
                self._round = None  # what cannot be read anew is not told from memory
                self._round = _Round(now, self._kubernetes.versions(self._namespaces))
            return self._round
