"""A loop that stands still for too long ends its process; one that beats does not."""

import threading

from holded_contracts.io.probes import Heartbeat
from holded_worker.watchdog import watch


def test_silence_ends_the_process() -> None:
    now = [0.0]
    heartbeat = Heartbeat(lambda: now[0])
    left: list[int] = []
    now[0] = 61.0
    watch(heartbeat, threading.Event(), look_seconds=0.01, leave=left.append).join(10)
    assert left == [1]


def test_beats_keep_it_alive_until_it_is_stopped() -> None:
    looks = threading.Semaphore(0)
    stop = threading.Event()
    left: list[int] = []

    def clock() -> float:
        looks.release()
        return 5.0

    thread = watch(Heartbeat(clock), stop, look_seconds=0.01, leave=left.append)
    for _ in range(5):
        assert looks.acquire(timeout=10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert left == []
