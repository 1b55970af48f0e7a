"""Who of several replicas reconciles: the rules of a Lease (coordination.k8s.io), without I/O.

Only lengths of time are compared, never clocks of two machines: a follower counts from when it saw the Lease change,
the leader from before it asked to renew. As the leader counts from earlier and stops sooner, it has stopped before
anybody can follow it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

from holded_operator.gateways.interfaces import Body

LEASE_SECONDS: Final = 20.0
"""A Lease that has not changed for this long may be taken."""
LEADING_SECONDS: Final = 15.0
"""A leader whose last renewal began this long ago stops."""
RETRY_SECONDS: Final = 2.0
"""Pause between two looks at the Lease."""


class NotLeadingError(Exception):
    """A pass went on in a process that leads no more; it ends here. No `OperatorError`: it is nobody's condition."""


class Candidate:
    """One replica's part in the election."""

    def __init__(self, identity: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.identity = identity
        self._clock = clock
        self._until = float("-inf")
        self._seen: Any = None
        self._seen_at = clock()
        self.holder = ""
        """Whom the Lease named when it was last read."""

    def leads(self) -> bool:
        """Tell whether this replica may write, at this very moment."""
        return self._clock() < self._until

    @property
    def seconds_left(self) -> float:
        """Seconds until it stops if it cannot renew; negative when it does not lead."""
        return self._until - self._clock()

    def wish(self, lease: Body) -> Body | None:
        """Return the Lease as this replica wants it; None while it is another's."""
        spec = lease.get("spec") or {}
        self.holder = spec.get("holderIdentity") or ""
        mine = self.holder == self.identity
        if self.holder and not mine:
            self.resign()
            seen = (self.holder, spec.get("renewTime"), spec.get("leaseTransitions"))
            if seen != self._seen:
                self._seen, self._seen_at = seen, self._clock()
        # One that is not there was deleted by hand, perhaps, and its holder does not know yet.
        deleted = "resourceVersion" not in lease["metadata"] and self._seen is not None
        if (deleted or self.holder) and not mine and self._clock() - self._seen_at <= LEASE_SECONDS:
            return None
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return lease | {
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": int(LEASE_SECONDS),
                "acquireTime": spec.get("acquireTime") if mine else now,
                "renewTime": now,
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (not mine),
            }
        }

    def won(self, started: float) -> None:
        """Note that the wish was granted; `started` is when asking for it began, by the same clock."""
        self._until = started + LEADING_SECONDS
        self.holder = self.identity

    def resign(self) -> None:
        """Stop leading now."""
        self._until = float("-inf")

    def release(self, lease: Body) -> Body | None:
        """Return the Lease for whoever comes next; None when it is another's already."""
        spec = lease.get("spec") or {}
        return lease | {"spec": spec | {"holderIdentity": ""}} if spec.get("holderIdentity") == self.identity else None


class Fence:
    """A gateway that only the leader can use: every call looks at the time first, so a pass that was frozen ends."""

    def __init__(self, gateway: object, leading: Callable[[], bool]) -> None:
        self._gateway = gateway
        self._leading = leading

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._gateway, name)

        def guarded(*arguments: Any, **options: Any) -> Any:
            if not self._leading():
                raise NotLeadingError
            return attribute(*arguments, **options)

        return guarded


def fenced[Gateway](gateway: Gateway, leading: Callable[[], bool]) -> Gateway:
    """Return the gateway behind a fence."""
    return cast("Gateway", Fence(gateway, leading))
