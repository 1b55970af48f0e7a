"""The few edges that several parts have: registry, TLS, Kafka's connections, logs, probes. All else here is pure."""
