"""Cross-origin requests: which web pages' scripts may post events and read the answer."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from holded_contracts.settings import Cors

REQUEST_HEADERS = ("Authorization", "X-Api-Key", "Content-Type", "Content-Encoding", "X-Request-Id", "traceparent")
"""Headers a page may set: what POST /collect reads."""
ANSWER_HEADERS = ("X-Request-Id", "Retry-After")
"""Headers of the answer that a page may read, besides those that every page may."""


def install_cors(app: FastAPI, cors: Cors) -> None:
    """Add the middleware if any origin is allowed.

    Credentials stay forbidden: keys travel in a header that the page sets, never in a cookie, so no page can send in
    the name of somebody who merely visits it.
    """
    if not cors.allowed_origins:
        return
    app.add_middleware(
        CORSMiddleware,
        allow_origins=cors.allowed_origins,
        allow_methods=("POST",),
        allow_headers=REQUEST_HEADERS,
        expose_headers=ANSWER_HEADERS,
        max_age=cors.max_age_seconds,
    )
