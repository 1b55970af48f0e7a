"""An end to calls that never return.

librdkafka (2.16) has been seen to hang for good in `commit_transaction` when a broker came back while it was being
repeated; neither its time-out nor a signal ends that. The loop beats at every turn and every wait, so silence is such
a call. A new process of this pod aborts what was left open and begins at the committed offsets, so leaving is safe at
any point.
"""

import os
import threading
from collections.abc import Callable

import structlog

from holded_contracts.io.probes import Heartbeat

STUCK_SECONDS = 60.0
"""Longest silence: more than all time-outs of one turn together, and well below what the liveness probe grants."""
_LOOK_SECONDS = 2.0

log = structlog.get_logger()


def watch(
    heartbeat: Heartbeat,
    stop: threading.Event,
    *,
    limit_seconds: float = STUCK_SECONDS,
    look_seconds: float = _LOOK_SECONDS,
    leave: Callable[[int], object] = os._exit,
) -> threading.Thread:
    """Start a thread that ends the process with status 1 when the heartbeat is silent for too long."""

    def run() -> None:
        while not stop.wait(look_seconds):
            silence = heartbeat.age()
            if silence > limit_seconds:
                log.error("can't go on", cause=f"a call has not returned for {silence:.0f} s")
                leave(1)
                return

    thread = threading.Thread(target=run, name="watchdog", daemon=True)
    thread.start()
    return thread
