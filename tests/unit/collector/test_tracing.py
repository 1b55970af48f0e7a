"""Trace context from the request to Kafka's headers, with an exporter and without."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from holded_collector.api import EXAMPLE_EVENT
from holded_collector.main import build_app
from holded_collector.tracing import name_service, telemetry_config

Running = Callable[..., AbstractAsyncContextManager[tuple[Any, httpx.AsyncClient]]]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
BODY = json.dumps([EXAMPLE_EVENT])


@pytest.mark.parametrize(
    ("sent", "carried"),
    [
        ({}, {}),
        ({"traceparent": PARENT}, {"traceparent": PARENT}),
        ({"traceparent": PARENT, "tracestate": "a=1,b=2"}, {"traceparent": PARENT, "tracestate": "a=1,b=2"}),
        ({"tracestate": "a=1"}, {}),
        ({"traceparent": PARENT, "tracestate": "x" * 513}, {"traceparent": PARENT}),
        ({"traceparent": "nonsense"}, {}),
        ({"traceparent": PARENT.upper()}, {}),
        ({"traceparent": f"ff{PARENT[2:]}"}, {}),
        ({"traceparent": PARENT.replace(TRACE, "0" * 32)}, {}),
    ],
)
async def test_without_an_exporter_the_sender_s_context_is_passed_on_if_well_formed(
    running: Running, sent: dict[str, str], carried: dict[str, str]
) -> None:
    async with running() as (rig, client):
        assert (await client.post("/collect", content=BODY, headers=sent)).status_code == 202
        assert rig.publisher.headers == [{name: value.encode() for name, value in carried.items()}]


async def test_with_an_exporter_records_continue_the_collector_s_span(running: Running) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with running() as (rig, _):
        config = telemetry_config({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318"})
        config |= {"tracer_provider": provider, "auto_configure": False}
        app = build_app(rig.components, telemetry=config)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as client:
            await client.post("/collect", content=BODY, headers={"traceparent": PARENT})
            await client.get("/health")
            await client.get("/metrics")
        [span] = exporter.get_finished_spans()
        context = span.get_span_context()
        assert context is not None
        assert span.parent is not None
        assert f"{context.trace_id:032x}" == f"{span.parent.trace_id:032x}" == TRACE
        assert span.name == "POST /collect"
        [headers] = rig.publisher.headers
        assert headers["traceparent"].decode() == f"00-{TRACE}-{context.span_id:016x}-01"


def test_only_an_endpoint_turns_traces_on() -> None:
    assert telemetry_config({})["tracing"] is False
    assert telemetry_config({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://otel:4318/v1/traces"})["tracing"] is True


def test_the_service_has_a_name_unless_it_was_given_one() -> None:
    environment = {"OTEL_SERVICE_NAME": "mine"}
    name_service(environment)
    assert environment == {"OTEL_SERVICE_NAME": "mine"}
    environment.clear()
    name_service(environment)
    assert environment == {"OTEL_SERVICE_NAME": "holded-collector"}
