"""What every request gets: an id, a line in the log if it failed, a count, and an answer even to a bug."""

import re
from random import getrandbits
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holded_collector.guard import SURPLUS
from holded_collector.lifecycle import Lifecycle
from holded_collector.metrics import Metrics
from holded_collector.responses import problem

COUNTED_PATH = "/collect"
QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

log = structlog.get_logger(__name__)


class RequestContext:
    """Plain ASGI middleware: Starlette's base class costs a task and a stream per request."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, lifecycle: Lifecycle) -> None:
        self._app = app
        self._metrics = metrics
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        answered: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
                headers: list[tuple[bytes, bytes]] = [*message.get("headers", []), (b"x-request-id", request_id)]
                if self._lifecycle.draining or scope.get("state", {}).get(SURPLUS):
                    # The client's next request shall go to a pod that stays, or that has room.
                    headers = [header for header in headers if header[0] != b"connection"]
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            await send(message)

        # Never unbound: the server runs each request in a task, hence in a context, of its own.
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("unexpected error", path=scope["path"])
            if answered is not None:
                raise
            await _internal_error()(scope, receive, send_with_id)
        finally:
            self._account(scope, answered)

    def _account(self, scope: Scope, answered: int | None) -> None:
        path = scope["path"]
        if path == COUNTED_PATH and scope["method"] == "POST":
            self._metrics.requests.labels("aborted" if answered is None else str(answered)).inc()
        if answered is not None and answered >= 400 and path not in QUIET_PATHS:
            details: dict[str, Any] = scope.get("state", {})
            log.info("request refused", method=scope["method"], status=answered, error=details.get("error"))


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return b"%032x" % getrandbits(128)


def _internal_error() -> Response:
    return problem(
        500,
        "internal_error",
        "A fault in the collector; no event of this request is confirmed. Send it again, and report the X-Request-Id.",
    )
