"""The command `holded rebuild`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table

from holded_cli.days import Days, DaysError, kept_since, wanted_days
from holded_cli.mysql import LONG_TIMEOUT_SECONDS, GoldUnavailableError, Session, connected
from holded_cli.options import (
    Actor,
    Database,
    DryRun,
    FirstDay,
    Host,
    LastDay,
    Output,
    OutputFormat,
    Password,
    Port,
    Username,
    actor_name,
    mysql_settings,
)
from holded_cli.rebuild.repair import Rebuild, Repaired
from holded_cli.retrying import until_it_commits
from holded_cli.terminal import failure, plain, show
from holded_contracts.locks import Work


def rebuild(
    *,
    first: FirstDay = None,
    last: LastDay = None,
    dry_run: DryRun = False,
    examples: Annotated[int, typer.Option(min=0, help="Buckets to print of each table.")] = 5,
    actor: Actor = None,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
    password: Password = None,
    output: OutputFormat = Output.TABLE,
) -> None:
    """Make hourly and daily summaries of some days what their events say, in one transaction with an audit line.

    Sinks may write meanwhile. Only buckets that differ are touched. Days whose events retention has dropped are
    refused, because their summaries are all that is left of them. Exits with 1 when MySQL cannot be read or written.
    """
    settings = mysql_settings(host, port, database, username, password)
    try:
        with (
            connected(settings, answer_timeout_seconds=LONG_TIMEOUT_SECONDS) as session,
            session.lock(Work.BY_HAND),
            session.lock(Work.PARTITIONS),
        ):
            days = wanted_days(first, last, kept_since=kept_since(session))
            repaired = _run(session, days, actor_name(actor), examples=examples, dry_run=dry_run)
    except DaysError as error:
        raise typer.BadParameter(str(error)) from error
    except GoldUnavailableError as error:
        raise failure(str(error)) from error
    tables = _tables(days, repaired, dry_run=dry_run)
    show(_as_json(days, repaired, dry_run=dry_run), tables, json_output=output is Output.JSON)


def _run(session: Session, days: Days, actor: str, *, examples: int, dry_run: bool) -> list[Repaired]:
    work = Rebuild(session, days, examples=examples)
    return work.look() if dry_run else until_it_commits(lambda: work.repair(actor))


def _as_json(days: Days, repaired: list[Repaired], *, dry_run: bool) -> dict[str, Any]:
    tables = [asdict(one) for one in repaired]
    return {"from": str(days.first), "to": str(days.last), "dry_run": dry_run, "tables": tables}


def _tables(days: Days, repaired: list[Repaired], *, dry_run: bool) -> Group:
    title = f"Would be rebuilt, {days}" if dry_run else f"Rebuilt, {days}"
    table = Table("Table", title=title, title_justify="left")
    for name in ("Added", "Changed", "Removed"):
        table.add_column(name, justify="right")
    for one in repaired:
        table.add_row(one.table, f"{one.added:,}", f"{one.changed:,}", f"{one.removed:,}")
    return Group(table, *(plain(example) for one in repaired for example in one.examples))
