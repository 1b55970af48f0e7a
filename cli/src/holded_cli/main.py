"""The `holded` command line, also installed as `kubectl-holded`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from holded_cli.gold import GoldUnavailableError, Ledger, open_gold
from holded_cli.report import NotYetError, ReportSettings, as_json, read_report, render, wait_until_settled
from holded_cli.samples import Mix, generate
from holded_cli.samples import render as render_samples
from holded_cli.send import InputError, Sender, Tally, open_client, split_array
from holded_contracts.settings import MySQLSettings

app = typer.Typer(
    name="holded",
    help="Work with HoldedPipelines: send events, see what landed.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold passwords and payloads
)


@app.command()
def send(
    file: Annotated[Path, typer.Argument(help="JSON array of events; - for standard input.", allow_dash=True)],
    url: Annotated[str, typer.Option(help="Base URL of the collector.")] = "http://127.0.0.1:8000",
    batch: Annotated[int, typer.Option(min=1, help="Events per request.")] = 50,
    api_key: Annotated[
        str | None, typer.Option(envvar="HOLDED_API_KEY", help="Key, where the collector asks for one.")
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds to keep retrying one batch after 429, 503 or no answer.")
    ] = 60,
    *,
    compress: Annotated[bool, typer.Option("--gzip", help="Compress the requests.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Post a JSON array of events to the collector in batches and count its answers.

    Exits with 0 when every batch was answered, rejected events included, and with 1 otherwise.
    """
    try:
        events = split_array(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except (OSError, InputError) as error:
        raise _failure(f"{file}: {error}") from error
    with open_client(url, api_key) as client, _progress("sending") as bar:
        task = bar.add_task("events", total=len(events))
        sender = Sender(client, compress=compress, patience_seconds=patience)
        tally = sender.send(events, batch, progress=lambda count: bar.advance(task, count))
    _show(tally.as_json(), _tally_table(tally), json_output=json_output)
    if tally.failure is not None:
        raise _failure(f"{tally.failure}; {len(events) - tally.events} of {len(events)} events have no answer")


@app.command()
def report(
    *,
    host: Annotated[str | None, typer.Option(help="MySQL host [HOLDED_MYSQL__HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="MySQL port [HOLDED_MYSQL__PORT].")] = None,
    database: Annotated[str | None, typer.Option(help="MySQL database [HOLDED_MYSQL__DATABASE].")] = None,
    username: Annotated[str | None, typer.Option(help="MySQL user [HOLDED_MYSQL__USERNAME].")] = None,
    password: Annotated[str | None, typer.Option(help="MySQL password; rather set HOLDED_MYSQL__PASSWORD.")] = None,
    accepted: Annotated[
        int | None, typer.Option(min=0, help="Events the collector accepted; shows those in flight.")
    ] = None,
    wait_for: Annotated[
        int | None, typer.Option(min=0, help="First wait until so many events are accounted for.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = 120,
    newest: Annotated[int, typer.Option(min=0, help="Events to list.")] = 5,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what landed in MySQL: events by business context, dead letters, newest events and the ledger.

    Exits with 1 when MySQL cannot be read or the events waited for do not arrive in time.
    """
    flags = {"host": host, "port": port, "database": database, "username": username, "password": password}
    mysql = _mysql_settings({name: value for name, value in flags.items() if value is not None})
    try:
        if wait_for is not None:
            _wait(mysql, wait_for, timeout)
        with open_gold(mysql) as gold:
            result = read_report(gold, newest=newest, accepted=wait_for if accepted is None else accepted)
    except (GoldUnavailableError, NotYetError) as error:
        raise _failure(str(error)) from error
    _show(as_json(result), render(result), json_output=json_output)


@app.command()
def samples(
    gold: Annotated[int, typer.Option(min=0, help="Events that become rows.")] = Mix.gold,
    duplicates: Annotated[int, typer.Option(min=0, help="Copies of them.")] = Mix.duplicates,
    rejected: Annotated[int, typer.Option(min=0, help="Events the collector refuses.")] = Mix.rejected,
    dead_letters: Annotated[int, typer.Option(min=0, help="Events the worker refuses.")] = Mix.dead_letters,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 20261120,
) -> None:
    """Print sample Holded events as a JSON array; without options it is tests/data/events.json."""
    mix = Mix(gold, duplicates, rejected, dead_letters)
    sys.stdout.buffer.write(render_samples(generate(mix, seed=seed)).encode())


def _wait(mysql: MySQLSettings, expected: int, timeout: float) -> None:
    with _progress("waiting") as bar:
        task = bar.add_task("events accounted for", total=expected)

        def show(ledger: Ledger) -> None:
            bar.update(task, completed=min(ledger.settled, expected))

        wait_until_settled(lambda: open_gold(mysql), expected, timeout_seconds=timeout, progress=show)


def _mysql_settings(flags: dict[str, Any]) -> MySQLSettings:
    try:
        return ReportSettings(mysql=flags).mysql
    except ValidationError as error:
        problems = ", ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise _failure(f"where MySQL is, is not known: {problems} (set HOLDED_MYSQL__… or the flags)") from error


def _progress(verb: str) -> Progress:
    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


def _tally_table(tally: Tally) -> Table:
    numbers = tally.as_json()
    table = Table("", title="Sent", title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_row("accepted", f"{tally.accepted:,}")
    table.add_row("rejected", f"{tally.rejected:,}")
    for name, count in sorted(tally.rejected_by_field.items()):
        table.add_row(f"  {name}", f"{count:,}")
    table.add_row("requests answered", f"{tally.batches:,}")
    table.add_row("requests repeated", f"{tally.retries:,}")
    for name, value in numbers["latency_ms"].items():
        table.add_row(f"latency {name}", "" if value is None else f"{value:,.1f} ms")
    return table


def _show(numbers: dict[str, Any], tables: Any, *, json_output: bool) -> None:
    if json_output:
        typer.echo(json.dumps(numbers, ensure_ascii=False, indent=2))
    else:
        Console().print(tables)


def _failure(message: str) -> typer.Exit:
    typer.echo(f"holded: {message}", err=True)
    return typer.Exit(1)
