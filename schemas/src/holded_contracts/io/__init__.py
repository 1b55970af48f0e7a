"""The few edges every service has: registry, logs, probes. Nothing else in contracts does I/O."""
