"""Edges of the collector: Kafka, the schema registry and the folder of API keys."""
