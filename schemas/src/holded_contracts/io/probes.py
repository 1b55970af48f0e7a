"""Liveness, readiness and metrics of the services that serve no HTTP of their own.

Liveness comes from progress: a main loop that stops beating is restarted, although its process is there.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest


class Heartbeat:
    """Time of the main loop's last turn; the loop calls `beat`, the liveness probe reads `age`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Record that the main loop is alive now."""
        self._last = self._clock()

    def age(self) -> float:
        """Return the seconds since the last beat."""
        return self._clock() - self._last


class Probes:
    """HTTP server with /health, /ready and /metrics, in a daemon thread.

    health is 503 when the heartbeat is older than `max_silence_seconds`; ready is 503 with the reason while `ready`
    returns one, and otherwise tells what `describe` returns. `documents` are further paths, each answered in JSON.
    """

    def __init__(
        self,
        port: int,
        *,
        heartbeat: Heartbeat,
        ready: Callable[[], str | None],
        describe: Callable[[], str] = lambda: "ready",
        max_silence_seconds: float = 120.0,
        registry: CollectorRegistry = REGISTRY,
        documents: Mapping[str, Callable[[], object]] = MappingProxyType({}),
    ) -> None:
        known = " ".join(("/health", "/ready", "/metrics", *documents))

        def answer(path: str) -> tuple[int, str, bytes]:
            if path == "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(registry)
            if path == "/health":
                age = heartbeat.age()
                alive = age <= max_silence_seconds
                return (200 if alive else 503), "text/plain", f"last turn {age:.0f} s ago\n".encode()
            if path == "/ready":
                reason = ready()
                return (200 if reason is None else 503), "text/plain", f"{reason or describe()}\n".encode()
            if path in documents:
                return 200, "application/json", json.dumps(documents[path]()).encode()
            return 404, "text/plain", f"known paths: {known}\n".encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content_type, body = answer(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
                """Probes every few seconds are no news."""

        self._server = ThreadingHTTPServer(("", port), Handler)
        self.port = int(self._server.server_address[1])
        """The bound port; useful when 0 was asked for."""
        threading.Thread(target=self._server.serve_forever, name="probes", daemon=True).start()

    def close(self) -> None:
        """Stop the server and free the port."""
        self._server.shutdown()
        self._server.server_close()
