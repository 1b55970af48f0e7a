"""The worker's edges: Kafka and the schema registry."""
