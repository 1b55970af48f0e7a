"""Everything that talks to Kafka, the registry or MySQL."""
