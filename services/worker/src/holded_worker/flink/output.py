"""The three outputs on Flink: one collector per bundle, written when Beam ends the bundle."""

from typing import Any

import apache_beam as beam

from holded_worker.flink.harness import harness


class Write(beam.DoFn):
    """Takes the lists of one output.

    Deduplication, routing and the three of these fuse into one stage. So one thread takes a bundle through all of them:
    it starts each before the first element and finishes each after the last. The first that is finished writes it all.
    """

    def __init__(self, settings: str, output: str) -> None:
        self._settings = settings
        self._output = output

    def start_bundle(self) -> None:
        """Drop what a bundle has left that failed."""
        harness(self._settings).bundle().take()

    def process(self, element: Any) -> None:
        """Keep a batch until the bundle ends."""
        harness(self._settings).bundle().add(self._output, element)

    def finish_bundle(self) -> None:
        """Write all that the bundle has brought, each partition in a transaction of its own."""
        shared = harness(self._settings)
        for partition, found in shared.bundle().take().items():
            shared.writers.write(partition, found)
