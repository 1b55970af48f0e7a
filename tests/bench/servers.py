"""The collector on uvicorn, as it is, against the same application on granian: what the choice of the server costs.

python -m tests.bench.servers [--seconds 8]
"""

import argparse

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from rich.console import Console

from holded_collector.main import create_app
from holded_contracts.settings import CollectorSettings
from tests.bench.collector import SIZES, Point, measure, running, small_event
from tests.bench.report import Section, publish

EVENTS = 20_000


def application() -> object:
    """Return the collector's ASGI application, configured by the environment; granian calls this."""
    return create_app(CollectorSettings())


def serve() -> None:
    """Serve by granian what the environment configures: one worker, the same event loop."""
    Granian(
        f"{__spec__.name}:{application.__name__}",
        port=CollectorSettings().port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        factory=True,
    ).serve()


def main() -> None:
    """Measure both, print, and write docs/bench/servers.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="time of each point")
    parser.add_argument("--granian", action="store_true", help="serve the collector by granian instead of measuring")
    options = parser.parse_args()
    if options.granian:
        serve()
        return
    servers = {
        "uvicorn, with the guard": ("-m", "holded_collector"),
        "granian": ("-m", "tests.bench.servers", "--granian"),
    }
    points = {name: _points(command, options.seconds) for name, command in servers.items()}
    section = Section(
        f"{points['granian'][0].bytes:.0f}-byte events, API keys, limits and rate limit on",
        ("server, events per request", "events/s per core", "requests/s per core", "p50 to ack", "p99 to ack"),
        [_row(f"{name}, {point.size}", point) for name in servers for point in points[name]],
    )
    publish("servers", "The collector's server", "make bench-servers", [section], {})


def _points(command: tuple[str, ...], seconds: float) -> list[Point]:
    events = [small_event(number) for number in range(EVENTS)]
    with running(command) as collector:
        points = [measure(collector, events, size, seconds) for size in SIZES]
    Console().print(command, [f"{point.events_per_core:,.0f}" for point in points])
    return points


def _row(name: str, point: Point) -> tuple[str, ...]:
    return (
        name,
        f"{point.events_per_core:,.0f}",
        f"{point.requests_per_core:,.0f}",
        f"{point.outcome.percentile(0.5) * 1000:.1f} ms",
        f"{point.outcome.percentile(0.99) * 1000:.1f} ms",
    )


if __name__ == "__main__":
    main()
