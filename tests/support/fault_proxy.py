"""A reverse proxy before a Kubernetes API server that fails on demand, for one operator.

Both of the operator's ways to the server go through it: kopf's watches and the passes' own requests. What it does is
decided request by request by `plan`, and for the events of watches by `watching`; every request is recorded.
"""

import asyncio
import json
import random
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

from holded_operator.constants import PLURAL
from holded_operator.gateways.objects import RESOURCES
from tests.support.fake_writes import Writes

_COLLECTIONS = {PLURAL, *(plural for _, plural in RESOURCES.values())}
_COLLECTION = re.compile(r"(/api/v1|/apis/[^/]+/[^/]+)(/namespaces/[^/]+)?/[^/]+")
_ON_ITS_WAY_SECONDS = 0.25
"""Time in which a request may still arrive that was sent before an answer was read."""
_HOP_BY_HOP = {"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}
_QUIET = 3600.0


@dataclass(frozen=True)
class Call:
    """One request of the operator's."""

    number: int
    """Place in the order of arrival, from 1."""
    method: str
    path: str
    query: dict[str, str]
    client: str = ""
    """User-Agent: kopf or the passes' own client."""

    @property
    def kind(self) -> tuple[str, str, str]:
        """Client, method and collection: what an answer with Retry-After is about."""
        collection = _COLLECTION.match(self.path)
        return self.client, self.method, self.path if collection is None else collection[0]

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"

    @property
    def is_event(self) -> bool:
        """Tell whether it writes an Event, which is best effort and no part of any state."""
        return self.path.startswith("/apis/events.k8s.io/")

    @property
    def is_write(self) -> bool:
        return self.method != "GET" and "dryRun" not in self.query and not self.is_event

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and not self.is_watch and self.path.rpartition("/")[2] in _COLLECTIONS

    @property
    def plural(self) -> str:
        """Name of the kind, as the path has it."""
        return next((part for part in self.path.split("/") if part in _COLLECTIONS), "")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """An answer that the API server did not give."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True)
class Reset:
    """The connection breaks, before the request reached the server or when its answer was on the way."""

    after: bool = False


@dataclass(frozen=True)
class Hang:
    """No answer comes."""

    seconds: float = _QUIET


type Fault = Answer | Reset | Hang
type Plan = Callable[[Call], Fault | None]


@dataclass
class Watching:
    """What happens to watch streams; may be changed while they are open."""

    drop: float = 0.0
    """Share of the events that get lost."""
    delay: float = 0.0
    """Seconds by which each event is late."""
    frozen: bool = False
    """Events wait until it is False."""
    silent: bool = False
    """Streams are open, and nothing ever comes."""
    gone_after: int | None = None
    """Events after which a stream ends with 410 Gone."""


@dataclass
class Record:
    """What went through the proxy."""

    calls: list[tuple[float, Call, int]] = field(default_factory=list)
    """Time, request and status of the answer; 0 where the proxy broke the connection."""
    holds: list[tuple[float, Call, int]] = field(default_factory=list)
    """Time, request and seconds of the answers with Retry-After."""

    def writes(self) -> list[str]:
        """Return the requests that may have changed something, Events left out."""
        return [str(call) for _, call, _ in self.calls if call.is_write]

    def summary(self) -> Counter[str]:
        """Return how many objects were created and deleted, by kind.

        What is on its way out and is deleted once more, as by an operator that sees old lists, counts once.
        """
        found: Counter[str] = Counter()
        deleted: set[str] = set()
        for _, call, status in self.calls:
            if call.is_write and status == 201:
                found[f"created {call.plural}"] += 1
                deleted.discard(call.path)
            if call.method == "DELETE" and 200 <= status < 300 and call.path not in deleted:
                found[f"deleted {call.plural}"] += 1
                deleted.add(call.path)
        return found

    def impatient(self) -> list[str]:
        """Return the requests that came before the time that an answer to one of their kind had asked for."""
        return [
            f"{call} {at - since:.1f} s after an answer with Retry-After: {seconds}"
            for since, held, seconds in self.holds
            for at, call, _ in self.calls
            if call.kind == held.kind and _ON_ITS_WAY_SECONDS < at - since < seconds
        ]

    def busiest_second(self) -> int:
        """Return the largest number of requests in one second."""
        seconds = Counter(int(at) for at, _, _ in self.calls)
        return max(seconds.values(), default=0)


class FaultProxy:
    """Serves on a port of 127.0.0.1, without TLS, while its context is open."""

    def __init__(self, server: str, tls: ssl.SSLContext, writes: Writes, *, seed: int = 0) -> None:
        self.plan: Plan = lambda call: None
        self.watching = Watching()
        self.record = Record()
        self.stale_lists = False
        """Lists are answered as `remember_lists` found them."""
        self._server = server
        self._tls = tls
        self._writes = writes
        self._random = random.Random(seed)
        self._number = 0
        self._remembering = False
        self._lists: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(15)

    def remember_lists(self) -> None:
        """Keep the answers of all lists from now on, until they are served as old ones."""
        self._lists.clear()
        self._remembering = True

    def forget(self) -> None:
        """Begin a new record."""
        self.record = Record()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
        ) as self._session:
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self._number += 1
        call = Call(
            self._number, request.method, request.path, dict(request.query), request.headers.get("User-Agent", "")
        )
        fault = self.plan(call)
        try:
            if call.is_watch and fault is None:
                return await self._watch(request, call)
            status, headers, data = await self._answer(request, call, body, fault)
        except ConnectionError:
            return _broken(request)
        return web.Response(status=status, headers=headers, body=data)

    async def _answer(
        self, request: web.Request, call: Call, body: bytes, fault: Fault | None
    ) -> tuple[int, dict[str, str], bytes]:
        if isinstance(fault, Answer):
            self._note(call, fault.status)
            if fault.retry_after is not None:
                self.record.holds.append((time.monotonic(), call, fault.retry_after))
            return _status(fault)
        if isinstance(fault, Hang) or (isinstance(fault, Reset) and not fault.after):
            self._note(call, 0)
            await asyncio.sleep(fault.seconds if isinstance(fault, Hang) else 0)
            raise ConnectionResetError
        if call.is_list and self.stale_lists and request.path_qs in self._lists:
            return self._lists[request.path_qs]
        if call.is_write:
            self._writes.begin(str(call))
        answer = await self._forward(request, body)
        # Before the operator hears of it, or dies of it.
        self._note(call, answer[0])
        if call.is_write:
            self._writes.end(str(call))
        if call.is_list and self._remembering:
            self._lists.setdefault(request.path_qs, answer)
        if isinstance(fault, Reset):
            raise ConnectionResetError
        return answer

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method, self._server + request.path_qs, headers=headers, data=body or None
        ) as answer:
            return answer.status, _passed_on(answer.headers), await answer.read()

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        async with self._session.get(self._server + request.path_qs, headers={"Accept": "application/json"}) as answer:
            self._note(call, answer.status)
            response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
            await response.prepare(request)
            seen = 0
            async for line in _lines(answer.content):
                seen += 1
                while self.watching.frozen or self.watching.silent:  # noqa: ASYNC110 -- set from other threads
                    await asyncio.sleep(0.05)
                if self.watching.gone_after is not None and seen > self.watching.gone_after:
                    await response.write(_GONE)
                    return response
                if self._random.random() < self.watching.drop:
                    continue
                if self.watching.delay:
                    await asyncio.sleep(self.watching.delay)
                await response.write(line)
            return response

    def _note(self, call: Call, status: int) -> None:
        self.record.calls.append((time.monotonic(), call, status))


def _broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        with suppress(AttributeError):
            request.transport.abort()
    return web.Response(status=500)


def _status(fault: Answer) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": "application/json"}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    document = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.status, "message": "injected"}
    return fault.status, headers, json.dumps(document).encode()


def _passed_on(headers: Any) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _HOP_BY_HOP}


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


_GONE = (
    json.dumps(
        {
            "type": "ERROR",
            "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410},
        }
    ).encode()
    + b"\n"
)
