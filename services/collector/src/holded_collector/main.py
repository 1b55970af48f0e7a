"""Entry points: `create_app` for tests and servers, `main` for the console script."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from holded_collector import handlers
from holded_collector.api import DESCRIPTION, complete
from holded_collector.components import Components, Connections, assemble
from holded_collector.cors import install_cors
from holded_collector.guard import Guard
from holded_collector.lifecycle import Lifecycle, plan_shutdown
from holded_collector.metrics import Metrics
from holded_collector.middleware import RequestContext
from holded_collector.server import DrainingServer, server_config
from holded_collector.tracing import name_service, telemetry_config
from holded_contracts.io.logs import configure_logging
from holded_contracts.settings import CollectorSettings


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        components: Components = self.state.components
        return complete(super().openapi(), keys=components.keys is not None)


def create_app(settings: CollectorSettings, *, lifecycle: Lifecycle | None = None) -> FastAPI:
    """Return the application with its real connections; they open when the server starts it."""
    metrics = Metrics()
    connections = Connections(settings, metrics)
    components = assemble(
        settings,
        publisher=connections.publisher,
        schema_id=connections.schema_id,
        metrics=metrics,
        lifecycle=lifecycle or Lifecycle(),
    )
    return build_app(components, connections, telemetry=telemetry_config(os.environ))


def build_app(
    components: Components, connections: Connections | None = None, *, telemetry: TelemetryConfig | None = None
) -> FastAPI:
    """Return the application of given components; without connections nothing is opened, without telemetry traced."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if connections is None:
            yield
            return
        connections.open()
        try:
            async with components.canary.running():
                yield
        finally:
            components.lifecycle.draining = True
            await asyncio.to_thread(connections.close)

    app = _Application(
        title="HoldedPipeline collector",
        description=DESCRIPTION,
        version=version("holded-collector"),
        lifespan=lifespan,
        redoc_url=None,
        telemetry=telemetry or telemetry_config({}),
        routes=handlers.router.routes,  # included routers match every request twice
    )
    app.state.components = components
    app.add_middleware(RequestContext, metrics=components.metrics, lifecycle=components.lifecycle)
    # Last is outermost: refusals and even a 500 carry the headers, without which a browser hides them from its page.
    install_cors(app, components.settings.cors)
    handlers.install_error_handlers(app)
    return app


def main() -> None:
    """Serve until SIGTERM."""
    settings = CollectorSettings()
    configure_logging(settings, service="collector")
    name_service()
    lifecycle = Lifecycle()
    plan = plan_shutdown(settings.shutdown_grace_seconds)
    app = create_app(settings, lifecycle=lifecycle)
    components: Components = app.state.components
    guard = Guard(
        max_connections=settings.limits.max_connections,
        head_seconds=settings.limits.head_timeout_seconds,
        body_seconds=settings.limits.body_timeout_seconds,
        metrics=components.metrics,
    )
    config = server_config(app, port=settings.port, plan=plan, guard=guard)
    DrainingServer(config, lifecycle=lifecycle, drain_seconds=plan.drain).run()
