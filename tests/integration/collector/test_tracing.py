"""Spans by the standard environment variables alone, and their context in Kafka's headers."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from holded_contracts.settings import KafkaSettings, SchemaRegistrySettings, TopicNames
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Backend(ThreadingHTTPServer):
    """Where spans are sent by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.spans: list[Any] = []
        self.services: set[str] = set()


class _Receiver(BaseHTTPRequestHandler):
    server: Backend

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in request.resource_spans:
            self.server.services |= {
                attribute.value.string_value
                for attribute in resource.resource.attributes
                if attribute.key == "service.name"
            }
            self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_span_is_exported_and_the_record_continues_it(
    *,
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_headers: Callable[[KafkaSettings, str], list[dict[str, bytes]]],
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{backend.server_port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    collector = start_collector(kafka, schema_registry, topics)
    collector.wait_ready()
    body = json.dumps([{"headers": {"type": "T"}, "data": {}}]).encode()
    response = collector.post(body, traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    assert response.status_code == 202
    wait_until(lambda: backend.spans, what="a span arrives")
    [span] = backend.spans
    assert span.name == "POST /collect"
    assert backend.services == {"holded-collector"}
    [headers] = read_headers(kafka, topics.raw)
    assert headers["traceparent"].decode() == f"00-{TRACE}-{span.span_id.hex()}-01"
