"""Slow, endless and too many clients, on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from holded_collector.api import EXAMPLE_EVENT, Problem
from holded_collector.guard import MAX_HEAD_BYTES, Guard
from holded_collector.lifecycle import plan_shutdown
from holded_collector.server import DrainingServer, server_config
from tests.support.containers import free_port

Running = Callable[..., AbstractAsyncContextManager[tuple[Any, Any]]]
BODY = json.dumps([EXAMPLE_EVENT]).encode()
HEAD = f"POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
SECONDS = 0.6
"""Time for head or body in these tests; the sweep comes twice a second."""


async def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within five seconds")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


class Client:
    """A socket that sends what it is told; `answer` also sees whether the server closed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def trickle(self, data: bytes) -> None:
        """Send a byte at a time until the server has had enough."""
        for byte in data:
            if self.reader.at_eof() or self.writer.is_closing():
                return
            self.send(bytes([byte]))
            await asyncio.sleep(0.02)

    async def answer(self) -> Answer:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(head[0].split()[1]), headers, body)

    async def closed(self) -> bool:
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:  # closed while more was on its way
                return True


@dataclass
class Server:
    rig: Any
    port: int
    clients: list[Client] = field(default_factory=list)

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def post(self) -> Answer:
        client = await self.connect()
        client.send(HEAD + BODY)
        return await client.answer()

    def refused(self, error: str) -> float:
        return float(self.rig.metric("holded_collector_connections_refused_total", error=error))


type Serving = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def serving(running: Running) -> Serving:
    @asynccontextmanager
    async def serve(max_connections: int = 10, **limits: Any) -> AsyncIterator[Server]:
        async with running(limits={"body_timeout_seconds": SECONDS, **limits}) as (rig, _):
            guard = Guard(
                max_connections=max_connections, head_seconds=SECONDS, body_seconds=SECONDS, metrics=rig.metrics
            )
            config = server_config(rig.app, port=free_port(), plan=plan_shutdown(5.0), guard=guard)
            server = DrainingServer(config, lifecycle=rig.lifecycle, drain_seconds=0)
            task = asyncio.create_task(server.serve())
            await until(lambda: server.started)
            serving = Server(rig, config.port)
            try:
                yield serving
            finally:
                for client in serving.clients:
                    client.writer.close()
                server.should_exit = True
                await task

    return serve


def assert_problem(answer: Answer, status: int, error: str) -> None:
    assert answer.status == status
    assert Problem.model_validate_json(answer.body).error == error
    assert answer.headers["connection"] == "close"


async def test_a_head_that_trickles_is_answered_with_408_while_others_are_served(serving: Serving) -> None:
    async with serving() as server:
        slow = await server.connect()
        trickling = asyncio.create_task(slow.trickle(HEAD * 100))
        assert (await server.post()).status == 202
        assert_problem(await slow.answer(), 408, "head_timeout")
        await trickling
        assert server.refused("head_timeout") == 1
        assert (await server.post()).status == 202


async def test_a_body_that_trickles_is_answered_with_408_and_the_connection_ends(serving: Serving) -> None:
    async with serving() as server:
        slow = await server.connect()
        slow.send(HEAD)
        trickling = asyncio.create_task(slow.trickle(BODY))
        answer = await slow.answer()
        assert_problem(answer, 408, "body_timeout")
        await trickling
        assert server.rig.metric("holded_collector_requests_in_flight") == 0


async def test_a_body_that_nobody_reads_does_not_hold_its_connection(serving: Serving) -> None:
    async with serving() as server:
        slow = await server.connect()
        slow.send(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert (await slow.answer()).status == 200
        trickling = asyncio.create_task(slow.trickle(b"x" * 1000))
        assert await slow.closed()
        await trickling
        assert server.refused("body_timeout") == 1


async def test_a_connection_that_sends_nothing_ends_without_a_word(serving: Serving) -> None:
    async with serving() as server:
        silent = await server.connect()
        assert await silent.closed()
        assert server.refused("head_timeout") == 0


async def test_the_time_for_a_head_starts_anew_with_each_request(serving: Serving) -> None:
    async with serving() as server:
        client = await server.connect()
        for _ in range(3):
            client.send(HEAD + BODY)
            assert (await client.answer()).status == 202
            await asyncio.sleep(SECONDS * 0.9)  # longer in sum than the time for one head
        client.send(HEAD[:10])
        assert_problem(await client.answer(), 408, "head_timeout")


async def test_a_request_that_waits_for_kafka_is_not_cut_off(serving: Serving) -> None:
    async with serving() as server:
        server.rig.publisher.gate.clear()
        client = await server.connect()
        client.send(HEAD + BODY + HEAD[:10])  # the next request's head has begun, too
        await asyncio.sleep(SECONDS * 3)
        server.rig.publisher.gate.set()
        assert (await client.answer()).status == 202


async def test_a_head_without_end_is_refused(serving: Serving) -> None:
    async with serving() as server:
        client = await server.connect()
        client.send(b"POST /collect HTTP/1.1\r\n")
        answering = asyncio.create_task(client.answer())
        sent = 0
        while not answering.done() and sent < 100 * MAX_HEAD_BYTES:
            client.send(b"X-%d: " % sent + b"x" * 1000 + b"\r\n")
            sent += 1000
            await asyncio.wait([answering], timeout=0.001)
        assert_problem(await answering, 431, "head_too_large")


async def test_beyond_its_connections_it_refuses_events_but_answers_probes(serving: Serving) -> None:
    async with serving(max_connections=2) as server:
        kept = [await server.connect() for _ in range(2)]
        for client in kept:
            client.send(HEAD + BODY)
            assert (await client.answer()).status == 202
        answer = await server.post()
        assert_problem(answer, 503, "too_many_connections")
        assert int(answer.headers["retry-after"]) >= 1
        probe = await server.connect()
        probe.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await probe.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        kept[0].send(HEAD + BODY)
        assert (await kept[0].answer()).status == 202


async def test_far_beyond_them_the_refusal_comes_before_the_request(serving: Serving) -> None:
    async with serving(max_connections=2) as server:
        clients = [await server.connect() for _ in range(20)]
        refused = [await client.answer() for client in clients[4:]]
        for answer in refused:
            assert_problem(answer, 503, "too_many_connections")
        assert server.refused("too_many_connections") == 16
        for client in clients[:4]:
            client.writer.close()
        await until(lambda: server.rig.metric("holded_collector_connections") == 0)
        assert (await server.post()).status == 202
