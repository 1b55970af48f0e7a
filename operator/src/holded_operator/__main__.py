"""`python -m holded_operator`: the operator's process."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from typing import cast

import kopf

from holded_contracts.io.probes import Probes
from holded_operator.config import OperatorConfig
from holded_operator.context import Production
from holded_operator.exceptions import OperatorError
from holded_operator.handlers.health import MAX_SILENCE_SECONDS, Liveness
from holded_operator.handlers.logs import configure_logging
from holded_operator.handlers.loops import BEAT_SECONDS, ReconcileLoops
from holded_operator.handlers.watches import register, settings
from holded_operator.reconciler import Reconciler

_log = logging.getLogger("holded_operator")


async def run(config: OperatorConfig, connect: Callable[[OperatorConfig], Production] = Production.connect) -> None:
    """Run until a signal comes or a watch fails for good."""
    production, liveness, listed = connect(config), Liveness(), asyncio.Event()
    reconciler = Reconciler(production.context)
    loops = ReconcileLoops(reconciler.reconcile, config, liveness, resync=reconciler.resync)
    probes = Probes(
        config.probes_port,
        heartbeat=liveness,
        ready=lambda: None if listed.is_set() else "the resources have not been listed yet",
        max_silence_seconds=MAX_SILENCE_SECONDS,
    )
    beating = asyncio.create_task(loops.beat(), name="beat")
    # Until kopf puts its own handler there; as the first process of a container we have no default one.
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, cast("asyncio.Task[None]", asyncio.current_task()).cancel
    )
    try:
        await _wait_for_definition(production)
        # Made before kopf starts: what is made later, kopf ends in its own way when it stops.
        audit = asyncio.create_task(loops.audit(production.kubernetes.list_pipelines, listed), name="audit")
        registry = kopf.OperatorRegistry()
        register(registry, loops)
        try:
            await kopf.operator(
                registry=registry,
                settings=settings(config),
                clusterwide=not config.watch_namespaces,
                namespaces=config.watch_namespaces,
                standalone=True,
            )
        finally:
            audit.cancel()
    finally:
        beating.cancel()
        probes.close()
        production.close()


async def _wait_for_definition(production: Production) -> None:
    """Wait until the API server serves HoldedPipeline: kopf would watch nothing, and say so only once."""
    told = False
    while True:
        try:
            if await asyncio.to_thread(production.kubernetes.served):
                return
            problem = "the CustomResourceDefinition holdedpipelines.holded.dev is not installed"
        except OperatorError as error:
            problem = str(error)
        if not told:
            _log.warning("waiting: %s", problem)
            told = True
        await asyncio.sleep(BEAT_SECONDS)


def main() -> None:
    """Read the configuration and run."""
    config = OperatorConfig()
    configure_logging(config)
    _log.info("serving %s", ", ".join(config.watch_namespaces) or "all namespaces")
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(run(config))


if __name__ == "__main__":
    main()
