import asyncio
import signal
from types import SimpleNamespace

import pytest

from holded_collector.guard import Guard
from holded_collector.lifecycle import Lifecycle, plan_shutdown
from holded_collector.metrics import Metrics
from holded_collector.refusal import Refusal
from holded_collector.server import DrainingServer, server_config


@pytest.mark.parametrize("grace", [5.0, 10.0, 25.0, 60.0])
def test_the_steps_of_a_shutdown_fit_into_the_grace(grace: float) -> None:
    plan = plan_shutdown(grace)
    assert plan.drain > 0
    assert plan.flush > 0
    assert plan.drain + plan.finish + plan.flush < grace


async def never(scope: object, receive: object, send: object) -> None:
    raise AssertionError("not called")


GUARD = Guard(max_connections=10, head_seconds=5, body_seconds=5, metrics=Metrics())


def make_server(lifecycle: Lifecycle, drain_seconds: float) -> DrainingServer:
    config = server_config(never, port=0, plan=plan_shutdown(25.0), guard=GUARD)
    server = DrainingServer(config, lifecycle=lifecycle, drain_seconds=drain_seconds)
    config.load()
    server.lifespan = SimpleNamespace()
    return server


async def test_sigterm_drains_before_the_port_closes() -> None:
    lifecycle = Lifecycle()
    server = make_server(lifecycle, drain_seconds=0.2)
    server.handle_exit(signal.SIGTERM, None)
    assert lifecycle.draining
    assert not await server.on_tick(0)
    await asyncio.sleep(0.2)  # the drain itself; there is nothing to poll for
    assert await server.on_tick(0)


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
async def test_ctrl_c_or_a_second_signal_ends_the_drain(signals: list[signal.Signals]) -> None:
    server = make_server(Lifecycle(), drain_seconds=60)
    for number in signals:
        server.handle_exit(number, None)
    assert await server.on_tick(0)


@pytest.mark.parametrize(("seconds", "header"), [(0.1, "1"), (1.0, "1"), (4.2, "5")])
def test_retry_after_is_in_whole_seconds(seconds: float, header: str) -> None:
    assert Refusal(503, "x", "y", retry_after_seconds=seconds).headers() == {"Retry-After": header}
