"""The `holded` command line, also installed as `kubectl-holded`."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holded_cli.cluster.commands import add_to as add_cluster_commands
from holded_cli.erase.command import erase
from holded_cli.explain.command import explain
from holded_cli.gold import Ledger, open_gold
from holded_cli.mysql import GoldUnavailableError
from holded_cli.options import Database, Host, Password, Port, Username, mysql_settings
from holded_cli.rebuild.command import rebuild
from holded_cli.replay.command import replay
from holded_cli.report import NotYetError, as_json, read_report, render, wait_until_settled
from holded_cli.samples import Mix, generate
from holded_cli.samples import render as render_samples
from holded_cli.send.command import send
from holded_cli.terminal import failure, show
from holded_cli.verify.command import verify
from holded_contracts.settings import MySQLSettings

app = typer.Typer(
    name="holded",
    help="Work with HoldedPipelines: send events, see what landed and why, prove and repair it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold passwords and payloads
)


app.command()(send)
app.command()(explain)
app.command()(verify)
app.command()(rebuild)
app.command()(replay)
app.command()(erase)
add_cluster_commands(app)


@app.command()
def report(
    *,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
    password: Password = None,
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
    mysql = mysql_settings(host, port, database, username, password)
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


def _progress(verb: str) -> Progress:
    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
