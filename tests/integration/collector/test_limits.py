"""Slow and far too many clients, against the collector as a process."""

import json
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from holded_contracts.settings import KafkaSettings, SchemaRegistrySettings, TopicNames

pytestmark = pytest.mark.integration

BODY = json.dumps([{"headers": {"type": "T"}, "data": {}}]).encode()
HEAD = b"POST /collect HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CROWD = 10_000


def answer(client: socket.socket) -> tuple[int, str]:
    """Return status and error word (empty for an answer with verdicts) of what comes until the server closes."""
    received = b""
    while True:
        data = client.recv(65_536)
        received += data
        head, _, body = received.partition(b"\r\n\r\n")
        if not data or (body and len(body) >= int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])):
            return int(received.split()[1]), json.loads(body).get("error", "")


def trickle(client: socket.socket, data: bytes) -> tuple[int, str]:
    """Send a byte at a time until there is an answer."""
    client.settimeout(0.05)
    for byte in data:
        client.sendall(bytes([byte]))
        try:
            if client.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    client.settimeout(10)
    return answer(client)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, CROWD + 2000)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_that_trickles_is_given_up_and_told_so(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
) -> None:
    limits = {"head_timeout_seconds": 1.0, "body_timeout_seconds": 1.0}
    collector = start_collector(kafka, schema_registry, topics, limits=limits)
    collector.wait_ready()
    for sent_at_once, trickled, error in ((b"", HEAD * 10, "head_timeout"), (HEAD, BODY * 10, "body_timeout")):
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", collector.settings.port)) as client:
            client.sendall(sent_at_once)
            assert trickle(client, trickled) == (408, error)
            assert client.recv(1) == b""
        assert time.monotonic() - started < 4
    assert collector.post(BODY).status_code == 202


@pytest.mark.usefixtures("many_files")
def test_ten_thousand_connections_are_each_served_or_told_no(
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_records: Callable[[KafkaSettings, str], list[tuple[int, bytes, bytes]]],
) -> None:
    most = 1000
    limits = {"max_connections": most, "head_timeout_seconds": 60.0}
    collector = start_collector(kafka, schema_registry, topics, limits=limits)
    collector.wait_ready()
    with ExitStack() as stack:
        clients: list[socket.socket] = []
        for number in range(CROWD):
            if number == most + most // 2:
                assert collector.get("/health").status_code == 200
            clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", collector.settings.port))))
            clients[-1].settimeout(30)
        answers: Counter[tuple[int, str]] = Counter()
        for client in clients:
            with suppress(ConnectionError):  # its refusal is here already, and the server's side is closed
                client.sendall(HEAD + BODY)
            answers[answer(client)] += 1
    assert answers.total() == CROWD
    assert set(answers) == {(202, ""), (503, "too_many_connections")}
    assert most - 10 <= answers[202, ""] <= most
    assert collector.post(BODY).status_code == 202
    assert len(read_records(kafka, topics.raw)) == answers[202, ""] + 1
    assert "Traceback" not in collector.log_file.read_text()
