"""The command `holded erase`."""

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from holded_cli.erase.erasure import Erased, Erasure
from holded_cli.erase.subject import Kind, Subject
from holded_cli.erase.topics import retention_of_topics
from holded_cli.mysql import LONG_TIMEOUT_SECONDS, GoldUnavailableError, connected
from holded_cli.options import (
    Actor,
    Database,
    DryRun,
    Host,
    Output,
    OutputFormat,
    Password,
    Port,
    Username,
    actor_name,
    kafka_settings_or_none,
    mysql_settings,
)
from holded_cli.terminal import failure, plain, show
from holded_contracts.locks import Work

_BACKUPS = "backups, binary logs and replicas of MySQL: until they expire"


def erase(
    *,
    account: Annotated[str | None, typer.Option(help="Erase everything of this account.")] = None,
    user: Annotated[str | None, typer.Option(help="Erase everything of this user.")] = None,
    dry_run: DryRun = False,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Events per transaction.")] = 1000,
    actor: Actor = None,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
    password: Password = None,
    output: OutputFormat = Output.TABLE,
) -> None:
    """Remove one account or user from events, dead letters, replays, minute windows and summaries, which stay exact.

    Small transactions, so that sinks go on; run it again when it was interrupted. Ids of events stay, so that a copy
    still on its way is refused. Kafka and backups are not reached; how long Kafka keeps its records is printed where
    HOLDED_KAFKA__BOOTSTRAP_SERVERS is set. Exits with 1 when MySQL fails or new events arrived meanwhile.
    """
    subject = _subject(account, user)
    settings = mysql_settings(host, port, database, username, password)
    kafka = kafka_settings_or_none()
    remaining = 0
    try:
        with (
            connected(settings, answer_timeout_seconds=LONG_TIMEOUT_SECONDS) as session,
            connected(settings, answer_timeout_seconds=LONG_TIMEOUT_SECONDS) as reader,
            session.lock(Work.BY_HAND),
            session.lock(Work.PARTITIONS),
        ):
            erasure = Erasure(session, reader, subject, batch=batch)
            erased = erasure.look() if dry_run else erasure.run(actor_name(actor))
            remaining = 0 if dry_run else erasure.remaining()
    except GoldUnavailableError as error:
        raise failure(f"{error}; run it again to erase the rest") from error
    topics = retention_of_topics(*kafka) if kafka else {}
    show(
        _as_json(subject, erased, topics, dry_run=dry_run),
        _tables(subject, erased, topics, dry_run=dry_run),
        json_output=output is Output.JSON,
    )
    if remaining:
        raise failure(f"{remaining} events arrived meanwhile; run it again")


def _subject(account: str | None, user: str | None) -> Subject:
    if (account is None) == (user is None):
        raise typer.BadParameter("say whom: either --account or --user")
    subject = Subject(Kind.USER, user) if account is None else Subject(Kind.ACCOUNT, account)  # type: ignore[arg-type]
    if not subject.id.strip():
        raise typer.BadParameter(f"--{subject.kind}: an id is expected, not blank text")
    return subject


def _not_reached(topics: dict[str, str]) -> list[str]:
    kafka = [f"Kafka topic {name}: keeps records {retention}" for name, retention in topics.items()]
    return [*(kafka or ["Kafka topics: for as long as their retention.ms says"]), _BACKUPS]


def _as_json(subject: Subject, erased: Erased, topics: dict[str, str], *, dry_run: bool) -> dict[str, Any]:
    return {
        "subject": subject.kind,
        "digest": subject.digest,
        "dry_run": dry_run,
        "removed": dict(erased.removed),
        "adjusted": dict(erased.adjusted),
        "not_reached": _not_reached(topics),
    }


def _tables(subject: Subject, erased: Erased, topics: dict[str, str], *, dry_run: bool) -> Group:
    verb = "Would be erased" if dry_run else "Erased"
    table = Table("Table", title=Text.assemble(f"{verb}: {subject.kind} ", plain(subject.id)), title_justify="left")
    table.add_column("Rows removed", justify="right")
    table.add_column("Rows adjusted", justify="right")
    for name in sorted({*erased.removed, *erased.adjusted}):
        table.add_row(name, f"{erased.removed[name]:,}", f"{erased.adjusted[name]:,}")
    lines = [f"In the audit log as {subject.digest}", "Not reached:", *(f"- {line}" for line in _not_reached(topics))]
    return Group(table, *(plain(line) for line in lines))
