"""The command `holded send`: options in, progress and summary out."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer

from holded_cli.send.events import Generator, InputError, Outgoing, select_types, split_array
from holded_cli.send.mixture import MixtureError, Shares
from holded_cli.send.record import recording
from holded_cli.send.schedule import Schedule, parse_seconds
from holded_cli.send.sender import Delivery, Sender, Target
from holded_cli.send.tally import Tally
from holded_cli.send.transport import AiohttpTransport
from holded_cli.send.view import progress, summary
from holded_cli.terminal import failure, show

EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Source:
    """What is sent."""

    events: Iterable[Outgoing]
    total: int | None
    """Number of events; None when only the duration ends the run."""
    seed: int | None
    """What generated events follow from; None for a file."""


def _duration(text: str | float) -> float:
    try:
        return parse_seconds(str(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


_GENERATED = "Generated events"
_LOAD = "Load"


def send(
    file: Annotated[
        Path | None, typer.Argument(help="JSON array of events; - for standard input.", allow_dash=True)
    ] = None,
    *,
    url: Annotated[str, typer.Option(help="Base URL of the collector.")] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None, typer.Option(envvar="HOLDED_API_KEY", help="Key, where the collector asks for one.")
    ] = None,
    generate: Annotated[
        int | None, typer.Option(min=1, help="Send so many made-up events.", rich_help_panel=_GENERATED)
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option(help="Only types like these globs: Wallet, 'Wallet/*Created'.", rich_help_panel=_GENERATED),
    ] = None,
    duplicates: Annotated[
        float, typer.Option(min=0, max=1, help="Share of copies of earlier events.", rich_help_panel=_GENERATED)
    ] = 0,
    invalid: Annotated[
        float, typer.Option(min=0, max=1, help="Share that the collector rejects.", rich_help_panel=_GENERATED)
    ] = 0,
    poison: Annotated[
        float, typer.Option(min=0, max=1, help="Share that becomes dead letters.", rich_help_panel=_GENERATED)
    ] = 0,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed gives the same events; without it all are new.", rich_help_panel=_GENERATED),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            parser=_duration, metavar="TIME", help="Send until it has passed: 30s, 5m.", rich_help_panel=_LOAD
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Events per second; else as fast as it is answered.", rich_help_panel=_LOAD),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Events per request.", rich_help_panel=_LOAD)] = 50,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Requests at a time.", rich_help_panel=_LOAD)] = 1,
    patience: Annotated[
        float,
        typer.Option(
            parser=_duration,
            metavar="TIME",
            help="Time to repeat a request after 429, 503 or a lost connection.",
            rich_help_panel=_LOAD,
        ),
    ] = 60,
    record: Annotated[
        Path | None, typer.Option(help="Write a JSON line here for each acknowledged event.", dir_okay=False)
    ] = None,
    compress: Annotated[bool, typer.Option("--gzip", help="Compress the requests.", rich_help_panel=_LOAD)] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Post events to the collector, of a file or made up, and account for each answer.

    Exits with 0 when every request was answered, rejected events included; with 1 when one was not or a file cannot be
    read or written; with 2 when the options do not fit together; with 130 when interrupted, after a summary so far.
    """
    schedule = Schedule(batch, rate, duration)
    try:
        if file is None:
            source = _generated(schedule, generate, Shares.of(duplicates, invalid, poison), types or [], seed)
        elif generate is not None or types or duplicates or invalid or poison or seed is not None:
            raise typer.BadParameter("a file is sent as it is: no --generate, --types, shares or --seed")
        else:
            source = _from_file(file)
    except MixtureError as error:
        raise typer.BadParameter(str(error)) from error
    delivery = Delivery(concurrency, compress, patience)
    try:
        target = Target(AiohttpTransport(concurrency), url, api_key)
        tally = asyncio.run(_run(source, target, schedule, delivery, record=record))
    except (OSError, httpx.InvalidURL) as error:
        raise failure(str(error)) from error
    numbers = tally.as_json() | {"planned": source.total, "seed": source.seed}
    show(numbers, summary(tally, source.seed), json_output=json_output)
    _exit(tally, source.total)


def _generated(
    schedule: Schedule, generate: int | None, shares: Shares, patterns: list[str], seed: int | None
) -> Source:
    if generate is None and schedule.duration is None:
        raise typer.BadParameter("say what to send: FILE, --generate N or --duration TIME")
    try:
        types = select_types(patterns)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error
    total = min((number for number in (generate, schedule.offered) if number is not None), default=None)
    used = secrets.randbits(48) if seed is None else seed
    return Source(Generator(used, types).events(shares, total), total, used)


def _from_file(file: Path) -> Source:
    try:
        events = split_array(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except (OSError, InputError) as error:
        raise failure(f"{file}: {error}") from error
    return Source(events, len(events), None)


async def _run(source: Source, target: Target, schedule: Schedule, delivery: Delivery, *, record: Path | None) -> Tally:
    with recording(record) as recorder, progress(source.total) as update:
        async with target.transport:
            sender = Sender(target, schedule, delivery, recorder=recorder, progress=update)
            with _calling_on_signals(sender.stop):
                return await sender.run(source.events)


@contextmanager
def _calling_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _exit(tally: Tally, total: int | None) -> None:
    if tally.late:
        text = (
            f"fell behind the rate: {tally.late} of {tally.batches} requests late, by up to {tally.max_lateness:.1f} s"
        )
        typer.echo(f"holded: {text}; more --concurrency or a lower --rate", err=True)
    missing = f"{tally.in_flight} events" if total is None else f"{total - tally.events} of {total} events"
    if tally.failure is not None:
        raise failure(f"{tally.failure}; {missing} have no answer")
    if tally.interrupted:
        raise failure(f"interrupted; {missing} have no answer", EXIT_INTERRUPTED)
