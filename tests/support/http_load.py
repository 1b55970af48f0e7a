"""Load on the collector by as little client as possible: a process of its own that posts ready-made requests.

`holded send` makes, records and explains every event; here the client must cost less than the server it measures.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvloop


@dataclass(frozen=True)
class Load:
    """What is sent: `connections` clients post these bodies in turn, each waiting for its answer, for `seconds`."""

    port: int
    bodies: Sequence[bytes]
    connections: int
    seconds: float
    keys: Sequence[str]
    """API keys; connections take them in turn. More than one lets a key be revoked while the load runs."""


@dataclass(frozen=True)
class Outcome:
    """What came back: answers by status, and seconds from the first byte sent to the last received, sorted."""

    statuses: dict[int, int]
    latencies: Sequence[float]
    seconds: float

    def percentile(self, share: float) -> float:
        """Return the latency, in seconds, that this share of the requests stayed below."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def run(load: Load) -> Outcome:
    """Send from a new process until the time is up; blocks."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        outcome: Outcome = pool.apply(_run, (load,))
    return outcome


def _run(load: Load) -> Outcome:
    outcome: Outcome = uvloop.run(_send(load))
    return outcome


async def _send(load: Load) -> Outcome:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    clients = []
    for number in range(load.connections):
        key = load.keys[number % len(load.keys)]
        requests = [_request(body, key) for body in load.bodies[number :: load.connections] or load.bodies]
        client = _Client(requests, started + load.seconds)
        await loop.create_connection(partial(_same, client), "127.0.0.1", load.port)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    statuses: dict[int, int] = {}
    for client in clients:
        for status, count in client.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    latencies = sorted(latency for client in clients for latency in client.latencies)
    return Outcome(statuses, latencies, time.perf_counter() - started)


def _same(client: "_Client") -> "_Client":
    return client


def _request(body: bytes, key: str) -> bytes:
    head = (
        "POST /collect HTTP/1.1\r\nHost: collector\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, requests: Sequence[bytes], end: float) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.statuses: dict[int, int] = {}
        self.latencies: list[float] = []
        self._requests = requests
        self._end = end
        self._sent = 0
        self._sent_at = 0.0
        self._answer = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, separator, body = bytes(self._answer).partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self.latencies.append(time.perf_counter() - self._sent_at)
        status = int(head[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self._answer.clear()
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the collector closed the connection"))

    def _next(self) -> None:
        self._sent_at = time.perf_counter()
        if self._sent_at >= self._end:
            self.done.set_result(None)
            self._transport.close()
            return
        self._transport.write(self._requests[self._sent % len(self._requests)])
        self._sent += 1


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])
