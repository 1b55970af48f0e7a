"""What happens to an event, in plain Python: no Beam, no Kafka, no clock; every function can be called from a test."""
