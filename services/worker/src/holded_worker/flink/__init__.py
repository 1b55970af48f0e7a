"""The Flink runner: ProcessEvents as one long-running job of Beam's portable runner on a Flink cluster."""
