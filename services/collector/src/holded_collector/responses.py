"""Answers as JSON bytes."""

from collections.abc import Mapping

import orjson
from starlette.responses import Response


def json_response(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer whose body is JSON already."""
    return Response(content, status_code=status, headers=dict(headers or {}), media_type="application/json")


def problem(status: int, error: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the one form of every error: a stable word and a sentence that names the fix."""
    return json_response(status, orjson.dumps({"error": error, "detail": detail}), headers)
