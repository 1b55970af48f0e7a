"""The routes: each parses, makes one call, and answers."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from holded_collector.api import COLLECT_REQUEST, COLLECT_RESPONSES, CollectResult, Problem, State
from holded_collector.auth import find_source, presented_key
from holded_collector.body import decompress, read_body
from holded_collector.components import Components
from holded_collector.guard import RETRY_SECONDS, SURPLUS
from holded_collector.refusal import Refusal
from holded_collector.responses import json_response, problem
from holded_collector.tracing import record_headers


class DirectRoute(APIRoute):
    """A documented route whose endpoint takes the request and returns the response, and nothing between.

    FastAPI solves dependencies and opens two exit stacks for each request; no endpoint here has any of them, and with
    one event a request they cost more than all our own checks together.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        endpoint = self.endpoint

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            response: Response = await endpoint(Request(scope, receive))
            await response(scope, receive, send)

        self.app = serve


router = APIRouter(route_class=DirectRoute)


@router.post(
    "/collect",
    tags=["events"],
    summary="Take events",
    status_code=202,
    response_model=CollectResult,
    responses=COLLECT_RESPONSES,
    openapi_extra=COLLECT_REQUEST,
)
async def collect(request: Request) -> Response:
    """Send a JSON array of events; the answer has a verdict for each and comes when Kafka has the accepted ones."""
    components = _components(request)
    if getattr(request.state, SURPLUS, False):
        raise _too_many_connections()
    source = _source(request, components)
    components.rates.check(source)
    limits = components.settings.limits
    with components.service.admission() as place:
        wire = await read_body(
            request.stream(),
            declared=request.headers.get("content-length"),
            limit=limits.max_body_bytes,
            seconds=limits.body_timeout_seconds,
            room=place,
        )
        components.metrics.body_bytes.inc(len(wire))
        body = decompress(wire, request.headers.get("content-encoding"), limits.max_body_bytes)
        if body is not wire:
            place.hold(len(body))
        status, answer = await components.service.collect(body, source, record_headers(request))
    return json_response(status, answer)


@router.get(
    "/health",
    tags=["operation"],
    summary="Is the process alive",
    response_model=State,
    responses={503: {"model": Problem, "description": "Only a restart helps."}},
)
async def health(request: Request) -> Response:
    """Be 200 while the process can do its work or wait for it: Kafka being away is no reason for a restart."""
    reason = _components(request).publisher.broken()
    if reason is not None:
        return problem(503, "broken", reason)
    return json_response(200, b'{"status":"alive"}')


@router.get(
    "/ready",
    tags=["operation"],
    summary="Should it get traffic",
    response_model=State,
    responses={503: {"model": Problem, "description": "Not now; the detail says why."}},
)
async def ready(request: Request) -> Response:
    """Be 200 while the schema id is known, Kafka's raw topic is reachable and no shutdown is under way."""
    reason = _components(request).not_ready()
    if reason is not None:
        return problem(503, "not_ready", reason)
    return json_response(200, b'{"status":"ready"}')


@router.get(
    "/metrics",
    tags=["operation"],
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Return all metrics in Prometheus' text format."""
    return Response(_components(request).metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def install_error_handlers(app: FastAPI) -> None:
    """Add the translation of errors to an application."""
    app.add_exception_handler(Refusal, _answer_refusal)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


def _components(request: Request) -> Components:
    components: Components = request.app.state.components
    return components


def _too_many_connections() -> Refusal:
    return Refusal(
        503,
        "too_many_connections",
        "There are more connections than allowed; send again later, and reuse connections.",
        retry_after_seconds=RETRY_SECONDS,
        close=True,
    )


def _source(request: Request, components: Components) -> str | None:
    if components.keys is None:
        return None
    presented = presented_key(request.headers.get("authorization"), request.headers.get("x-api-key"))
    source = find_source(presented, components.keys.digests())
    if source is None:
        raise Refusal(401, "unauthorized", "Send a valid API key as 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'.")
    return source


async def _answer_refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    request.state.error = error.error
    return problem(error.status, error.error, error.detail, error.headers())


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    known = "Known paths: POST /collect, GET /health /ready /metrics /docs /openapi.json."
    word = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    request.state.error = word
    return problem(error.status_code, word, f"{error.detail}. {known}", error.headers)


async def _answer_nobody(request: Request, _: Exception) -> Response:
    """Answer a client that went away in the middle of its body: only the metrics and the log will see it."""
    request.state.error = "client_disconnected"
    return problem(499, "client_disconnected", "The connection was closed before the body was complete.")
