"""The command `holded verify`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from holded_cli.days import Days, DaysError, kept_since, wanted_days
from holded_cli.mysql import LONG_TIMEOUT_SECONDS, GoldUnavailableError, connected
from holded_cli.options import (
    Database,
    FirstDay,
    Host,
    LastDay,
    Output,
    OutputFormat,
    Password,
    Port,
    Username,
    mysql_settings,
)
from holded_cli.terminal import failure, plain, show
from holded_cli.verify.checks import Check, Verification
from holded_contracts.locks import Work


def verify(
    *,
    first: FirstDay = None,
    last: LastDay = None,
    settled: Annotated[
        bool, typer.Option("--settled", help="Events in flight are a difference, too: for a pipeline without traffic.")
    ] = False,
    examples: Annotated[int, typer.Option(min=0, help="Differences to print of each check.")] = 5,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
    password: Password = None,
    output: OutputFormat = Output.TABLE,
) -> None:
    """Prove that gold is exact: summaries against a GROUP BY over events, ids, dead letters, ledger and offsets.

    Everything is read in one snapshot; the sink may write meanwhile. Without --from the check begins with the first day
    that retention has not dropped. Exits with 0 when all is exact, 1 when something differs or MySQL cannot be read.
    """
    settings = mysql_settings(host, port, database, username, password)
    try:
        # The lock keeps day partitions as they are, which a snapshot alone does not.
        with (
            connected(settings, answer_timeout_seconds=LONG_TIMEOUT_SECONDS) as session,
            session.lock(Work.PARTITIONS),
            session.snapshot(),
        ):
            days = wanted_days(first, last, kept_since=kept_since(session))
            checks = list(Verification(session, days, examples=examples, settled=settled).run())
    except DaysError as error:
        raise typer.BadParameter(str(error)) from error
    except GoldUnavailableError as error:
        raise failure(str(error)) from error
    wrong = sum(check.differences for check in checks)
    show(_as_json(days, checks), _tables(days, checks), json_output=output is Output.JSON)
    if wrong:
        raise failure(f"{wrong} differences; `holded rebuild` makes summaries anew from events")


def _as_json(days: Days, checks: list[Check]) -> dict[str, Any]:
    return {
        "from": str(days.first),
        "to": str(days.last),
        "exact": not any(check.differences for check in checks),
        "checks": [asdict(check) for check in checks],
    }


def _tables(days: Days, checks: list[Check]) -> Group:
    table = Table("Check", "Means", title=f"Gold, {days}", title_justify="left")
    table.add_column("Compared", justify="right")
    table.add_column("Differences", justify="right")
    for check in checks:
        style = "bold red" if check.differences else ""
        table.add_row(check.name, check.meaning, f"{check.compared:,}", f"{check.differences:,}", style=style)
    lines = [
        Text.assemble(f"{check.name}: ", plain(example), overflow="fold")
        for check in checks
        for example in check.examples
    ]
    return Group(table, *lines)
