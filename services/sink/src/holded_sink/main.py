"""Entry point of the gold sink: `holded-sink`."""

import gc
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

import structlog

from holded_contracts.io.logs import configure_logging
from holded_contracts.io.probes import Heartbeat, Probes
from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import SinkSettings
from holded_sink.housekeeping import Housekeeping
from holded_sink.io.connection import Database
from holded_sink.io.consumer import SilverSource
from holded_sink.io.decoder import Decoder
from holded_sink.io.maintenance import PartitionKeeper
from holded_sink.io.raw_topic import RawTopic
from holded_sink.io.repository import Gold
from holded_sink.preparing import Preparer
from holded_sink.service import Sink

_REGISTRY_PATIENCE_SECONDS = 2.0
"""Short: the sink's own loop repeats for ever and stays in its consumer group meanwhile."""

_SWITCH_SECONDS = 0.0005
"""MySQL's answer must not wait for Python's usual 5 ms until the preparing thread gives way: a batch has dozens."""

_GC_OBJECTS = 100_000
"""A batch is many live objects without cycles: looking through them every 2,000 costs a tenth of the CPU time."""


@contextmanager
def build_sink(settings: SinkSettings, stop: threading.Event, heartbeat: Heartbeat) -> Iterator[Sink]:
    """Yield a wired sink; its connections are closed afterwards."""
    registry = RegistryReader(settings.schema_registry, patience_seconds=_REGISTRY_PATIENCE_SECONDS)
    database = Database(settings.mysql)
    source = SilverSource(settings, stop=stop, beat=heartbeat.beat)
    gold = Gold(database, actor=settings.pod_name)
    preparer = Preparer(Decoder(registry), pipeline_version=settings.pipeline.version)
    keeper = PartitionKeeper(
        settings.mysql,
        actor=settings.pod_name,
        retention_days=settings.retention_days,
        today=lambda: datetime.now(UTC).date(),
    )
    try:
        yield Sink(
            settings,
            source=source,
            preparer=preparer,
            gold=gold,
            housekeeping=Housekeeping(source=source, raw=RawTopic(settings), gold=gold, keeper=keeper),
            heartbeat=heartbeat,
            stop=stop,
        )
    finally:
        preparer.close()
        source.close()
        database.close()
        registry.close()


def main() -> None:
    """Run until SIGTERM or SIGINT; the batch in hand is finished."""
    settings = SinkSettings()
    configure_logging(settings, service="sink")
    log = structlog.get_logger()
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 -- the signal module's signature
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(_GC_OBJECTS)
    heartbeat = Heartbeat()
    with build_sink(settings, stop, heartbeat) as sink:
        probes = Probes(settings.probes_port, heartbeat=heartbeat, ready=sink.not_ready)
        log.info("sink started", probes_port=probes.port, version=settings.pipeline.version)
        try:
            sink.run()
        finally:
            probes.close()
    log.info("sink stopped")


if __name__ == "__main__":
    main()
