"""HTTP over real sockets of 127.0.0.1: what comes back, and what becomes of connections that break."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from holded_cli.send import transport as transport_module
from holded_cli.send.transport import AiohttpTransport


@asynccontextmanager
async def server(answer):
    """Answer each request with these bytes and close; yields the URL and the requests."""
    requests = []

    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        requests.append((head, await reader.readexactly(length)))
        if answer is None:
            await asyncio.sleep(0.5)
        else:
            writer.write(answer)
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/collect", requests


async def post(url):
    async with AiohttpTransport() as transport:
        headers = {"Content-Type": "application/json", "X-Api-Key": "k"}
        return await transport.handle_async_request(httpx.Request("POST", url, content=b"[1]", headers=headers))


async def test_status_body_and_retry_after_come_back():
    answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"
    async with server(answer) as (url, requests):
        response = await post(url)
    assert (response.status_code, response.headers["Retry-After"], response.content) == (503, "7", b"no")
    ((head, body),) = requests
    assert head.startswith(b"POST /collect HTTP/1.1\r\n")
    assert b"X-Api-Key: k" in head.title().replace(b"X-Api-Key: K", b"X-Api-Key: k")
    assert body == b"[1]"


async def test_a_redirect_is_an_answer_and_not_followed():
    answer = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with server(answer) as (url, _):
        assert (await post(url)).status_code == 307


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n[", b"SSH-2.0-OpenSSH_9.6\r\n"],
    ids=["closed", "cut", "other protocol"],
)
async def test_a_broken_answer_is_a_transport_error(answer):
    async with server(answer) as (url, _):
        with pytest.raises(httpx.ReadError):
            await post(url)


async def test_nobody_listening_is_a_connect_error():
    async with server(b"") as (url, _):
        pass
    with pytest.raises(httpx.ConnectError):
        await post(url)


async def test_no_answer_in_time_is_a_timeout(monkeypatch):
    monkeypatch.setattr(transport_module, "REQUEST_SECONDS", 0.1)
    async with server(None) as (url, _):
        with pytest.raises(httpx.ReadTimeout, match=r"after 0\.1 s"):
            await post(url)
