"""The `holded` command line, also installed as `kubectl-holded`."""

import sys
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holded_cli.cluster.commands import add_to as add_cluster_commands
from holded_cli.gold import GoldUnavailableError, Ledger, open_gold
from holded_cli.report import NotYetError, ReportSettings, as_json, read_report, render, wait_until_settled
from holded_cli.samples import Mix, generate
from holded_cli.samples import render as render_samples
from holded_cli.send.command import send
from holded_cli.terminal import failure, show
from holded_contracts.settings import MySQLSettings

app = typer.Typer(
    name="holded",
    help="Work with HoldedPipelines: send events, see what landed.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold passwords and payloads
)


app.command()(send)
add_cluster_commands(app)


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
        raise failure(str(error)) from error
    show(as_json(result), render(result), json_output=json_output)


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
        raise failure(f"where MySQL is, is not known: {problems} (set HOLDED_MYSQL__… or the flags)") from error


def _progress(verb: str) -> Progress:
    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
