"""The collector: HTTP in, Avro to Kafka out, and an answer only when Kafka has the events."""
