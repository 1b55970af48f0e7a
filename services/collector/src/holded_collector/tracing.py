"""Traces: exported if the standard environment variables ask for it, carried into Kafka in any case.

Source of names and formats: https://www.w3.org/TR/trace-context/ and
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
"""

import os
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.requests import Request

from holded_collector.middleware import QUIET_PATHS

type RecordHeaders = list[tuple[str, bytes]]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[ -~]{1,512}")
_PROPAGATOR = TraceContextTextMapPropagator()


def telemetry_config(environment: Mapping[str, str]) -> TelemetryConfig:
    """Return FastAPI's configuration: spans of requests, if there is an endpoint to send them to.

    Metrics stay with Prometheus and logs with structlog. Probes and scrapes make no spans.
    """
    wanted = any(environment.get(name) for name in _ENDPOINTS)
    return {
        "tracing": wanted,
        "auto_configure": wanted,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "exclude": _quiet,
    }


def name_service(environment: MutableMapping[str, str] = os.environ) -> None:
    """Give the spans a service name unless the environment does; the SDK reads it from there only."""
    environment.setdefault("OTEL_SERVICE_NAME", "holded-collector")


def record_headers(request: Request) -> RecordHeaders:
    """Return the Kafka headers that continue the request's trace; none if it belongs to none.

    With an exporter the records continue our own span, without one the sender's: its trace has then no gap where the
    collector is, only one step less. What the sender gives is passed on only if it is well formed.
    """
    if trace.get_current_span().get_span_context().is_valid:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return [(name, value.encode()) for name, value in carrier.items()]
    parent = request.headers.get("traceparent")
    if parent is None or not _TRACEPARENT.fullmatch(parent):
        return []
    headers = [("traceparent", parent.encode())]
    state = request.headers.get("tracestate")
    if state is not None and _TRACESTATE.fullmatch(state):
        headers.append(("tracestate", state.encode()))
    return headers


def _quiet(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in QUIET_PATHS
