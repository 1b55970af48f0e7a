"""What the steps of a job share within one of Beam's worker processes, which runs the steps of no other job."""

import gc
import logging
import threading

from holded_contracts.io.logs import configure_logging
from holded_contracts.io.registry import RegistryReader
from holded_worker.dedup import DedupIndex, shrunk_to
from holded_worker.flink.job_settings import arrived
from holded_worker.flink.patience import Patience
from holded_worker.flink.writer import Bundle, Writers
from holded_worker.io.codec import WriterSchemas
from holded_worker.io.group_offsets import GroupOffsets
from holded_worker.io.readback import SilverReadback
from holded_worker.io.topology import Admin
from holded_worker.metrics import Metrics

_REGISTRY_PATIENCE_SECONDS = 5.0


class Harness:
    """Clients and memory of one worker process. Faults that pass are waited out here: they never fail the job."""

    def __init__(self, travelled: str) -> None:
        settings = self.settings = arrived(travelled)
        configure_logging(settings, service="worker")
        for chatty in ("apache_beam", "httpx"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self.metrics = Metrics()
        self.patience = Patience(self.metrics)
        self.admin = Admin(settings)
        self.offsets = GroupOffsets(settings)
        self.readback = SilverReadback(settings, self.admin)
        self.registry = RegistryReader(settings.schema_registry, patience_seconds=_REGISTRY_PATIENCE_SECONDS)
        self.schemas = WriterSchemas(self.registry, settings.topics)
        self.writers = Writers(
            settings,
            offsets=self.offsets,
            admin=self.admin,
            registry=self.registry,
            schemas=self.schemas,
            metrics=self.metrics,
            patience=self.patience,
        )
        self.indexes: dict[int, tuple[bytes, DedupIndex]] = {}
        """Deduplication indexes by partition, each with the token of the state that it was built from."""
        self._bundles = threading.local()
        gc.freeze()

    def bundle(self) -> Bundle:
        """Return the bundle of this thread."""
        if not hasattr(self._bundles, "bundle"):
            self._bundles.bundle = Bundle()
        bundle: Bundle = self._bundles.bundle
        return bundle

    def limit_indexes(self) -> None:
        """Keep the memory of all indexes bounded: the oldest ids of the largest leave before the window has passed."""
        for forgotten in shrunk_to(self.settings.dedup_max_ids, [index for _, index in self.indexes.values()]):
            self.metrics.forgotten_early(forgotten)


_HARNESSES: dict[str, Harness] = {}
_LOCK = threading.Lock()


def harness(travelled: str) -> Harness:
    """Return this process's harness for a job, made on first use."""
    with _LOCK:
        if travelled not in _HARNESSES:
            _HARNESSES[travelled] = Harness(travelled)
        return _HARNESSES[travelled]
