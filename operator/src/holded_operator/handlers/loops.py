"""One loop for each resource: run a pass, wait for a reason to run another.

Reasons are a watch event (`wake`), or time: the resync period when all is well, a growing delay while it is not, and
none before the API server wants to be asked again (`Retry-After`). Two passes over the same resource never run at once,
and an event during a pass leads to another pass after it. Passes are synchronous and run in a bounded pool of threads,
so the event loop with its watches and probes stays responsive.
"""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from holded_operator.config import OperatorConfig
from holded_operator.exceptions import OperatorError
from holded_operator.handlers.health import ERRORS, MISSED, PASS_SECONDS, PASSES, PIPELINES, WAITING_SECONDS, Liveness
from holded_operator.leadership import NotLeadingError
from holded_operator.reconciler import Outcome, Verdict

SPACING_SECONDS = 1.0
"""Pause between two passes over the same resource, however many events there are: a roll-out makes dozens."""
BEAT_SECONDS = 5.0
AUDIT_SECONDS = 60.0
"""How often all resources are listed, so that one whose watch event got lost is found."""
STOP_SECONDS = 20.0
"""Time that running passes have to end when the operator stops; after it they are cut off, which they survive."""
JITTER = 0.1
TICKS = 12
"""Moments in a resync period at which resyncs begin: waking up for each of hundreds costs more than the look itself."""

_log = logging.getLogger("holded_operator.loops")

type Key = tuple[str, str]
"""Namespace and name."""


@dataclass
class _Loop:
    task: asyncio.Task[None] | None = None
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


class ReconcileLoops:
    """The loops of all resources. To be used from the event loop's thread only."""

    def __init__(
        self,
        reconcile: Callable[[str, str], Outcome],
        config: OperatorConfig,
        liveness: Liveness,
        *,
        resync: Callable[[str, str], Outcome] | None = None,
        spacing_seconds: float = SPACING_SECONDS,
    ) -> None:
        """`resync` is the pass that comes by time alone after one that converged; by default the same as any other."""
        self._reconcile = reconcile
        self._resync = resync or reconcile
        self._config = config
        self._liveness = liveness
        self._spacing = spacing_seconds
        self._loops: dict[Key, _Loop] = {}
        self._threads = ThreadPoolExecutor(config.reconcile_workers, thread_name_prefix="reconcile")
        self._stopped = asyncio.Event()

    def wake(self, namespace: str, name: str) -> bool:
        """Ask for a pass over a resource soon; True when it was not looked after before."""
        if self._stopped.is_set():
            return False
        key = (namespace, name)
        loop = self._loops.get(key)
        if loop is not None:
            loop.wanted.set()
            return False
        loop = self._loops[key] = _Loop()
        loop.task = asyncio.get_running_loop().create_task(self._run(key, loop), name=f"reconcile {namespace}/{name}")
        PIPELINES.set(len(self._loops))
        return True

    async def beat(self) -> None:
        """Show for ever that the event loop turns."""
        while True:
            self._liveness.beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def audit(self, list_pipelines: Callable[[Sequence[str]], list[Key]], listed: asyncio.Event) -> None:
        """List all resources from time to time for ever, and wake those that no watch event has told of."""
        first = True
        while True:
            try:
                found = await asyncio.to_thread(list_pipelines, self._config.watch_namespaces)
                # The others have a loop already, whose resync sees what changed: waking them costs a whole pass each.
                for key in [key for key in found if key not in self._loops]:
                    if self.wake(*key) and not first:
                        MISSED.inc()
                        _log.warning("no watch event told of %s/%s", *key)
                first = False
                listed.set()
            except OperatorError as error:
                ERRORS.labels(error.system, error.reason).inc()
                _log.warning("the resources could not be listed: %s", error)
            except Exception:  # noqa: BLE001 -- a bug here must show in the log and in readiness, not end the audit unseen
                _log.exception("the resources could not be listed: a fault of the operator itself")
            await asyncio.sleep(AUDIT_SECONDS if listed.is_set() else BEAT_SECONDS)

    async def stop(self) -> None:
        """End all loops; passes that run now get some time to end."""
        self._stopped.set()
        tasks = [loop.task for loop in self._loops.values() if loop.task is not None]
        for loop in self._loops.values():
            loop.wanted.set()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in tasks:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, key: Key, loop: _Loop) -> None:
        generation, failures, run = None, 0, self._reconcile
        try:
            while not self._stopped.is_set():
                loop.wanted.clear()
                outcome = await self._turn(key, run)
                if outcome.verdict is Verdict.GONE and not loop.wanted.is_set():
                    return
                unsettled = outcome.verdict in {Verdict.PROGRESSING, Verdict.FAILING}
                failures = failures + 1 if unsettled and outcome.generation == generation else int(unsettled)
                generation = outcome.generation
                held = max((error.retry_after_seconds for error in outcome.errors), default=0.0)
                delay = self._delay(failures) if failures else self._until_tick(time.monotonic(), self._delay(0))
                woken = await self._pause(loop, max(delay, held), at_least=held)
                run = self._reconcile if woken or failures else self._resync
        finally:
            # No await between the last look at `wanted` and this: a wake either came before or makes a new loop.
            self._loops.pop(key, None)
            PIPELINES.set(len(self._loops))

    async def _turn(self, key: Key, run: Callable[[str, str], Outcome]) -> Outcome:
        started = time.monotonic()
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(self._threads, self._pass, key, run, started)
        except OperatorError as error:
            # Neither readable nor writable: the API server is away, or the resource has just changed.
            _log.warning("%s/%s: %s", *key, error)
            outcome = Outcome(Verdict.FAILING, errors=(error,))
        except NotLeadingError:
            _log.warning("%s/%s: the pass ends here, this replica leads no more", *key)
            outcome = Outcome(Verdict.FAILING)
        except Exception:  # noqa: BLE001 -- one resource's bug must not end the loop; it is logged, counted and retried
            _log.exception("%s/%s: a fault of the operator itself", *key)
            outcome = Outcome(Verdict.FAILING)
        PASSES.labels(outcome.verdict.value).inc()
        for failed in outcome.errors:
            ERRORS.labels(failed.system, failed.reason).inc()
        return outcome

    def _pass(self, key: Key, run: Callable[[str, str], Outcome], due: float) -> Outcome:
        """Run in a thread of the pool."""
        WAITING_SECONDS.observe(time.monotonic() - due)
        token = object()
        self._liveness.begin(token)
        with structlog.contextvars.bound_contextvars(pipeline=f"{key[0]}/{key[1]}"), PASS_SECONDS.time():
            try:
                return run(*key)
            finally:
                self._liveness.end(token)

    def _delay(self, failures: int) -> float:
        """Return the seconds until the next pass: the resync period, or less while something is unsettled."""
        period = self._config.resync_seconds
        if failures:
            period = min(self._config.progress_seconds * 2 ** min(failures - 1, 16), period)
        return period * (1 + JITTER * (2 * random.random() - 1))  # noqa: S311 -- spreads load, guards nothing

    def _until_tick(self, now: float, seconds: float) -> float:
        """Return the seconds from `now`, on the monotonic clock, until the first tick after so many."""
        tick = self._config.resync_seconds / TICKS
        return math.ceil((now + seconds) / tick) * tick - now

    async def _pause(self, loop: _Loop, seconds: float, *, at_least: float) -> bool:
        """Wait for a reason to run a pass, at most so long; True when there was one, after `at_least` seconds."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                await loop.wanted.wait()
        except TimeoutError:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(self._spacing, at_least - (time.monotonic() - started))):
                await self._stopped.wait()
        return True
