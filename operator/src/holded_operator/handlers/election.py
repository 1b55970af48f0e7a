"""The election as it happens: one replica keeps the Lease, the others look at it."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from holded_operator.exceptions import OperatorError, StaleObjectError
from holded_operator.gateways.interfaces import OwnObjectsGateway
from holded_operator.handlers.health import LEADER
from holded_operator.leadership import RETRY_SECONDS, Candidate

ATTEMPT_SECONDS = 5.0
"""Longest time for one look at the Lease, writing it included."""

_log = logging.getLogger("holded_operator.election")


class Elector:
    """Acquires, keeps and releases leadership. To be used from the event loop's thread only."""

    def __init__(
        self,
        leases: OwnObjectsGateway,
        candidate: Candidate,
        *,
        clock: Callable[[], float] = time.monotonic,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._leases = leases
        self._candidate = candidate
        self._clock = clock
        self._retry = retry_seconds
        # Threads of its own: a full pool elsewhere must not cost the Lease.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="election")
        self._problem: str | None = None

    async def acquire(self) -> None:
        """Wait until this replica leads."""
        told = None
        while True:
            await self._attempt(ATTEMPT_SECONDS)
            if self._candidate.leads():
                break
            if self._candidate.holder not in {told, ""}:
                told = self._candidate.holder
                _log.info("standing by: %s leads", told)
            await asyncio.sleep(self._retry)
        LEADER.set(1)
        _log.info("leading as %s", self._candidate.identity)

    async def keep(self) -> None:
        """Renew for as long as this replica leads; returns when it leads no more, which is before anybody else does."""
        while self._candidate.leads():
            await asyncio.sleep(min(self._retry, max(self._candidate.seconds_left, 0)))
            await self._attempt(min(ATTEMPT_SECONDS, self._candidate.seconds_left))
        LEADER.set(0)

    async def release(self) -> None:
        """Stop leading, and let another replica follow at once; best effort."""
        led = self._candidate.leads()
        self._candidate.resign()
        LEADER.set(0)
        if led:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    await asyncio.get_running_loop().run_in_executor(self._threads, self._give_back)
                _log.info("the Lease is free")
            except (OperatorError, TimeoutError) as error:
                _log.warning("the Lease was not given back, it ends by itself: %s", error)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _attempt(self, seconds: float) -> None:
        started = self._clock()
        try:
            async with asyncio.timeout(max(seconds, 0)):
                if await asyncio.get_running_loop().run_in_executor(self._threads, self._ask):
                    self._candidate.won(started)
            self._problem = None
        except StaleObjectError:
            self._problem = None  # somebody else was faster; the next look tells who
        except (OperatorError, TimeoutError) as error:
            problem = str(error) or "no answer in time"
            if problem != self._problem:
                _log.warning("the Lease could not be read or written: %s", problem)
                self._problem = problem
        except Exception:  # noqa: BLE001 -- a bug here must end the leadership in time, not the election
            _log.exception("the Lease could not be read or written: a fault of the operator itself")

    def _ask(self) -> bool:
        """Run in a thread: read the Lease and write it as wished; True when this replica holds it."""
        wanted = self._candidate.wish(self._leases.read_lease())
        if wanted is None:
            return False
        self._leases.write_lease(wanted)
        return True

    def _give_back(self) -> None:
        with suppress(StaleObjectError):  # the last renewal may still be on its way
            return self._try_give_back()
        return self._try_give_back()

    def _try_give_back(self) -> None:
        lease = self._candidate.release(self._leases.read_lease())
        if lease is not None:
            self._leases.write_lease(lease)
