"""HTTP for many small requests: httpx's transport interface on aiohttp's connections.

On connections of its own, asynchronous httpx spends several times as much CPU on a request as aiohttp, which parses in
C: the load generator would be slower than the collector. The interface is httpx's, so tests can put its MockTransport
in place.
"""

from typing import Self

import aiohttp
import httpx

REQUEST_SECONDS = 60.0
"""Time one attempt has for its answer: longer than a collector waits for Kafka."""

_KEPT = ("Retry-After", "Content-Type")


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Keeps up to `connections` open while it is entered; follows no redirects and uses no proxies."""

    def __init__(self, connections: int = 1) -> None:
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the answer with its body read.

        Raises
        ------
        httpx.TransportError
            If there is none: no connection, a lost one, none in time, or no HTTP.
        """
        if self._session is None:
            raise RuntimeError("enter the transport first")
        try:
            async with self._session.request(
                request.method, str(request.url), data=request.content, headers=request.headers, allow_redirects=False
            ) as answer:
                headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
                return httpx.Response(answer.status, headers=headers, content=await answer.read(), request=request)
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no answer after {REQUEST_SECONDS:g} s", request=request) from error
        except aiohttp.ClientError as error:
            raise httpx.ReadError(str(error), request=request) from error
