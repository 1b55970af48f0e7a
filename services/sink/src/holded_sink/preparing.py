"""Decoding and preparing on a thread of its own, so that it goes on while MySQL works on the batch before."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

from holded_sink.batch import Batch, Position, Record, Source, runs
from holded_sink.io.decoder import Decoder
from holded_sink.prepare import Place, Prepared, prepare


class Work:
    """One batch on its way to MySQL."""

    def __init__(self, preparer: "Preparer", records: list[Record], expected: Mapping[Source, Position]) -> None:
        self.records = records
        self.expected = expected
        self._preparer = preparer
        self._future: Future[Prepared] | None = preparer.submit(records, expected)

    def prepared(self) -> Prepared:
        """Return what to write; raises what the decoder raised, and then decodes anew when it is asked again."""
        future = self._future or self._preparer.submit(self.records, self.expected)
        self._future = None
        return future.result()


class Preparer:
    """Prepares batches one after another on one thread, which alone uses the decoder."""

    def __init__(self, decoder: Decoder, *, pipeline_version: str) -> None:
        self._decoder = decoder
        self._version = pipeline_version
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    def begin(self, records: list[Record], positions: Mapping[Source, Position]) -> Work:
        """Begin with records that continue from the positions; there may be more sources in those than in the batch."""
        return Work(self, records, {source: positions[source] for source, _ in runs(records)})

    def submit(self, records: list[Record], expected: Mapping[Source, Position]) -> Future[Prepared]:
        """Decode and prepare on the thread."""

        def run() -> Prepared:
            return self.prepare(Batch(self._decoder.decode(records), expected), {})

        return self._thread.submit(run)

    def prepare(self, batch: Batch, refused: Mapping[Place, str]) -> Prepared:
        """Prepare a decoded batch on the caller's thread; `refused` has MySQL's words for records it did not take."""
        now = datetime.now(UTC).replace(tzinfo=None)
        return prepare(batch, refused=refused, now=now, pipeline_version=self._version)

    def close(self) -> None:
        """End the thread; what it has begun is of no use any more."""
        self._thread.shutdown(wait=True, cancel_futures=True)
