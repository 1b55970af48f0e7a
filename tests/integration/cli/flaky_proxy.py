"""A proxy that answers in the collector's place, or loses the collector's answers."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import httpx

FORWARDED = ("Content-Type", "Content-Encoding")


class FlakyProxy(ThreadingHTTPServer):
    """Forwards requests; each has a number, and every few of them meet a fault."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = httpx.Client(base_url=target, timeout=30)
        self.numbers = count(1)
        self.faults: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fault(self) -> str | None:
        """Return what the next request meets."""
        number = next(self.numbers)
        faults = {7: "answer lost", 5: "503", 4: "429"}
        found = next((fault for every, fault in faults.items() if number % every == 0), None)
        if found is not None:
            self.faults[found] += 1
        return found

    def server_close(self) -> None:
        super().server_close()
        self.target.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FlakyProxy

    def do_POST(self) -> None:  # noqa: N802 -- the name http.server asks for
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.fault()
        if fault in {"503", "429"}:
            self._answer(int(fault), b"", {"Retry-After": "0"})
            return
        headers = {name: self.headers[name] for name in FORWARDED if name in self.headers}
        response = self.server.target.post(self.path, content=body, headers=headers)
        if fault is None:
            self._answer(response.status_code, response.content, {"Content-Type": "application/json"})
        else:
            self.close_connection = True  # the events are in Kafka, and the client cannot know

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output to itself."""


@contextmanager
def flaky_proxy(target: str) -> Iterator[FlakyProxy]:
    """Run a proxy before this URL."""
    proxy = FlakyProxy(target)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
