"""What the collector counts. One registry per application, so that two of them in a process do not meet."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)


class Metrics:
    """Counters and histograms, all named holded_collector_*."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "holded_collector_requests",
            "Answers of POST /collect by HTTP status; 'aborted' where the client went away.",
            ["status"],
            registry=self.registry,
        )
        self.events = Counter(
            "holded_collector_events",
            "Events by outcome: accepted (Kafka has them), rejected (invalid), unconfirmed (answered with 503).",
            ["outcome"],
            registry=self.registry,
        )
        self.body_bytes = Counter(
            "holded_collector_body_bytes", "Bytes of request bodies as received.", registry=self.registry
        )
        self.event_bytes = Counter(
            "holded_collector_event_bytes", "Bytes of accepted events' JSON.", registry=self.registry
        )
        self.ack_seconds = Histogram(
            "holded_collector_ack_seconds",
            "Time from the complete body to Kafka's acknowledgement of all its events.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "holded_collector_requests_in_flight", "Requests admitted and not yet answered.", registry=self.registry
        )
        self.bytes_in_flight = Gauge(
            "holded_collector_bytes_in_flight",
            "Bytes of bodies that are held for these requests, as received and without gzip.",
            registry=self.registry,
        )
        self.connections = Gauge("holded_collector_connections", "Open connections.", registry=self.registry)
        self.connections_refused = Counter(
            "holded_collector_connections_refused",
            "Connections ended by a limit: too_many_connections, head_timeout, head_too_large, body_timeout.",
            ["error"],
            registry=self.registry,
        )
        self.delivery_errors = Counter(
            "holded_collector_delivery_errors",
            "Events that Kafka did not take, by librdkafka's name of the error.",
            ["error"],
            registry=self.registry,
        )
        self.kafka_available = Gauge(
            "holded_collector_kafka_available",
            "1 while the raw topic is known to be reachable, else 0.",
            registry=self.registry,
        )
        self.canary_period = Gauge(
            "holded_collector_canary_period_seconds",
            "Time between two canaries of this process; 0 while it sends none.",
            registry=self.registry,
        )
        self.canaries = Counter(
            "holded_collector_canaries",
            "Canaries by outcome: sent (Kafka has it), skipped (Kafka or registry known to be away), unconfirmed.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in ("accepted", "rejected", "unconfirmed"):
            self.events.labels(outcome)
        for outcome in ("sent", "skipped", "unconfirmed"):
            self.canaries.labels(outcome)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
