"""`python -m holded_operator`: the operator's process."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from typing import cast

import kopf

from holded_contracts.io.probes import Probes
from holded_operator.admission.findings import Examiner
from holded_operator.config import OperatorConfig
from holded_operator.context import Production
from holded_operator.exceptions import OperatorError
from holded_operator.handlers.admission import AdmissionServer, AdmissionThread
from holded_operator.handlers.certificates import CertificateKeeper
from holded_operator.handlers.election import Elector
from holded_operator.handlers.health import LEADER, MAX_SILENCE_SECONDS, Liveness, State
from holded_operator.handlers.logs import configure_logging
from holded_operator.handlers.loops import BEAT_SECONDS, ReconcileLoops
from holded_operator.handlers.watches import register, settings
from holded_operator.leadership import Candidate
from holded_operator.reconciler import Reconciler

LOST = 3
"""Exit code of a leader that could not keep its Lease; the kubelet starts it again, to stand by."""

_log = logging.getLogger("holded_operator")

type Connect = Callable[[OperatorConfig, Callable[[], bool]], Production]
"""Builds the gateways; those of the passes answer only while the second argument says that this operator leads."""


async def run(config: OperatorConfig, connect: Connect = Production.connect) -> None:
    """Run until a signal comes or a watch fails for good."""
    candidate = Candidate(config.pod_name) if config.own_name else None
    production = connect(config, (lambda: True) if candidate is None else candidate.leads)
    elector = None if candidate is None else Elector(production.own, candidate)
    admission = _serve_admission(production) if config.admission_port else None
    liveness, listed = Liveness(), asyncio.Event()
    state = State(candidate, listed, None if admission is None else admission.ready)
    reconciler = Reconciler(production.context)
    loops = ReconcileLoops(reconciler.reconcile, config, liveness, resync=reconciler.resync)
    probes = Probes(
        config.probes_port,
        heartbeat=liveness,
        ready=state.unready,
        describe=state.describe,
        max_silence_seconds=MAX_SILENCE_SECONDS,
    )
    beating = asyncio.create_task(loops.beat(), name="beat")
    # Until kopf puts its own handler there; as the first process of a container we have no default one.
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, cast("asyncio.Task[None]", asyncio.current_task()).cancel
    )
    try:
        await _wait_for_definition(production)
        # Tasks are made before kopf starts: what is made later, kopf ends in its own way when it stops.
        leading = await _lead(elector)
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
            leading.cancel()
    finally:
        if elector is not None:
            await elector.release()
        if admission is not None:
            await asyncio.to_thread(admission.close)
        beating.cancel()
        probes.close()
        production.close()


def _serve_admission(production: Production) -> AdmissionThread:
    """Start the admission webhook, which every replica serves."""
    config, context = production.context.config, production.for_admission()
    keeper = CertificateKeeper(production.own, service=config.own_name, namespace=config.own_namespace)
    server = AdmissionServer(
        Examiner(context).examine,
        keeper,
        port=config.admission_port,
        seconds=config.admission_seconds,
        namespaces=config.watch_namespaces,
    )
    return AdmissionThread(server, keeper)


async def _lead(elector: Elector | None) -> asyncio.Future[None]:
    """Wait until this replica leads; return what keeps it so."""
    if elector is None:
        LEADER.set(1)
        return asyncio.get_running_loop().create_future()
    await elector.acquire()
    return asyncio.create_task(_end_with(elector), name="leading")


async def _end_with(elector: Elector) -> None:
    """End the process with its leadership: at once, since whatever it still does may cross the next leader's work."""
    await elector.keep()
    _log.error("this replica leads no more: it could not renew the Lease in time, or another has taken it")
    logging.shutdown()
    os._exit(LOST)


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
