"""The operator's own process with stubs for Kafka, registry and MySQL; all else is as in production. KUBECONFIG says where."""

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path

from holded_operator.__main__ import run
from holded_operator.config import OperatorConfig
from holded_operator.context import Production
from holded_operator.handlers.logs import configure_logging
from tests.support.fake_systems import FakeDatabase, FakeKafka, FakeRegistry
from tests.support.fake_writes import Writes


def connect(config: OperatorConfig, leading: Callable[[], bool]) -> Production:
    """Build the production context around stubs."""
    real, writes = Production.connect(config, leading), Writes()
    return dataclasses.replace(
        real,
        context=dataclasses.replace(
            real.context, kafka=FakeKafka(writes), registry=FakeRegistry(writes), database=FakeDatabase(writes)
        ),
    )


def main() -> None:
    """Run."""
    config = OperatorConfig(migrations_dir=Path("/nowhere"))
    configure_logging(config)
    asyncio.run(run(config, connect))


if __name__ == "__main__":
    main()
