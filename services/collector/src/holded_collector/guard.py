"""What uvicorn leaves open: how many connections, how long a head and a body may take, how long a head may be.

Clients that trickle bytes, or none, cost a connection until their time is up, never for ever. Times are checked by one
sweep over all connections, twice a second, instead of by timers: a request then costs a few assignments.
"""

import asyncio
import http
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from holded_collector.metrics import Metrics

MAX_HEAD_BYTES = 65_536
"""Request line and headers together; httptools itself has no limit."""
BODY_SLACK_SECONDS = 1.0
"""By so much the application is earlier: where it reads the body, its 408 comes first."""
CLOSING_SECONDS = 10.0
"""Time a client has to take an answer after which its connection closes."""
SURPLUS = "surplus"
"""Marks in a request's state that its connection is one too many: the application answers it with 503 and closes."""
RETRY_SECONDS = 1


class _Stage(Enum):
    HEAD = auto()
    """From the connection, or a request's first byte, until its head is complete."""
    BODY = auto()
    REST = auto()
    """A request is complete; until the next one, uvicorn's own time for idle connections counts."""


@dataclass(frozen=True)
class Guard:
    """The limits of one server."""

    max_connections: int
    head_seconds: float
    body_seconds: float
    metrics: Metrics

    def protocol(self) -> type["GuardedProtocol"]:
        """Return the protocol class for uvicorn, which makes an instance a connection."""
        return type("ConfiguredProtocol", (GuardedProtocol,), {"guard": self})


class GuardedProtocol(HttpToolsProtocol):
    """One connection that is held to the limits.

    Up to `max_connections` connections are served. As many again are let in, but POST /collect is refused there with
    503: so probes and metrics are answered when the limit is reached, and clients hear why they are refused. Beyond
    that a connection gets the same answer at once and is closed.
    """

    guard: ClassVar[Guard]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stage = _Stage.HEAD
        self._since = self.loop.time()
        self._head_bytes = 0
        self._closing_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and refuse it if there are far too many."""
        super().connection_made(transport)
        self.guard.metrics.connections.inc()
        others = len(self.connections) - 1
        if others >= 2 * self.guard.max_connections:
            self._refuse(
                503, "too_many_connections", f"{others} connections are open; send again later, and reuse connections."
            )
        elif others >= self.guard.max_connections:
            self.app_state = {**self.app_state, SURPLUS: True}

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        self.guard.metrics.connections.dec()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; refuse a head without end."""
        if self._stage is _Stage.REST:
            self._expect_head()
        super().data_received(data)
        if self._stage is _Stage.HEAD and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(
                    431, "head_too_large", f"Request line and headers have more than {MAX_HEAD_BYTES} bytes together."
                )

    def on_message_begin(self) -> None:
        """See the first byte of a request."""
        if self._stage is not _Stage.HEAD:
            self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """From here on the body is awaited."""
        self._stage = _Stage.BODY
        self._since = self.loop.time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See the last byte of a request."""
        self._stage = _Stage.REST
        super().on_message_complete()

    def sweep(self, now: float) -> None:
        """End the connection if its client has had its time; `now` is the event loop's."""
        waited = now - self._since
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > CLOSING_SECONDS:
                self.transport.abort()
        elif self._stage is _Stage.HEAD and waited > self.guard.head_seconds and not self._answering():
            if self._head_bytes:
                self._refuse(
                    408, "head_timeout", f"The head was not complete after {self.guard.head_seconds:g} s; send faster."
                )
            else:
                self.transport.close()
        elif self._stage is _Stage.BODY and waited > self.guard.body_seconds + BODY_SLACK_SECONDS:
            self.guard.metrics.connections_refused.labels("body_timeout").inc()
            self.transport.close()

    def _answering(self) -> bool:
        """Tell whether an earlier request of this connection still waits for its answer."""
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._stage = _Stage.HEAD
        self._since = self.loop.time()
        self._head_bytes = 0

    def _refuse(self, status: int, error: str, detail: str) -> None:
        self.guard.metrics.connections_refused.labels(error).inc()
        body = orjson.dumps({"error": error, "detail": detail})
        head = [
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
        ]
        if status == 503:
            head.append(f"retry-after: {RETRY_SECONDS}")
        self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.close()


def sweep(connections: Iterable[object], now: float) -> None:
    """Sweep every guarded connection among a server's."""
    for connection in list(connections):
        if isinstance(connection, GuardedProtocol):
            connection.sweep(now)
