"""uvicorn with a drain: after SIGTERM it is not ready at once, but it keeps serving until traffic has moved away."""

import asyncio
import signal
import time
from types import FrameType

import uvicorn

from holded_collector.guard import Guard, sweep
from holded_collector.lifecycle import Lifecycle, ShutdownPlan

KEEP_ALIVE_SECONDS = 75
"""Idle connections stay open longer than common proxies keep theirs (60 s), so that the proxy closes first."""
_SWEEP_TICKS = 5
"""Ticks of a tenth of a second between two looks for clients whose time is up."""


class DrainingServer(uvicorn.Server):
    """Exit status 0 after SIGTERM or SIGINT; uvicorn itself would raise the signal again."""

    def __init__(self, config: uvicorn.Config, *, lifecycle: Lifecycle, drain_seconds: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- the signal handler's form
        """Begin to drain; a second signal, or Ctrl-C, ends the drain at once."""
        if sig == signal.SIGINT or self._drained_at is not None:
            self.should_exit = True
        self._lifecycle.draining = True
        self._drained_at = self._drained_at or time.monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop serving; called ten times a second."""
        if counter % _SWEEP_TICKS == 0:
            sweep(self.server_state.connections, asyncio.get_running_loop().time())
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            return True
        return await super().on_tick(counter)


def server_config(app: object, *, port: int, plan: ShutdownPlan, guard: Guard) -> uvicorn.Config:
    """Return the server's configuration; logs go through structlog, requests are logged by the application."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host="0.0.0.0",
        port=port,
        loop="uvloop",
        http=guard.protocol(),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here depends on the client's address
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=plan.finish,
    )
