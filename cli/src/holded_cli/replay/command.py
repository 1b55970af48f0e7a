"""The command `holded replay`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import batched
from typing import Annotated

import typer

from holded_cli.mysql import GoldUnavailableError, Session, connected
from holded_cli.options import (
    Actor,
    BootstrapServers,
    Database,
    DryRun,
    Host,
    Output,
    OutputFormat,
    Password,
    Port,
    RawTopic,
    SchemaRegistry,
    Username,
    actor_name,
    kafka_settings,
    mysql_settings,
    registry_settings,
)
from holded_cli.replay.letters import Letter, NotReplayableError, SchemaOf, replay_of
from holded_cli.replay.outcome import Outcome
from holded_cli.replay.patches import Patch, PatchError, delete_patch, set_patch
from holded_cli.replay.publisher import KafkaUnavailableError, Publisher, Schemas
from holded_cli.replay.store import Letters, Selection
from holded_cli.replay.verdict import verdict_on
from holded_cli.replay.view import (
    discarded_as_json,
    discarded_as_table,
    listed_as_json,
    listed_as_table,
    outcome_as_json,
    outcome_as_table,
)
from holded_cli.retrying import until_it_commits
from holded_cli.terminal import failure, show
from holded_contracts.locks import Work

_BATCH = 200
_POLL_SECONDS = 0.5
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]
_WHICH = "Which dead letters"
_FIX = "Corrections"


class State(StrEnum):
    """What was done about a dead letter."""

    NEW = "new"
    PENDING = "pending"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


def replay(
    *,
    ids: Annotated[list[int] | None, typer.Option("--id", help="Its number.", rich_help_panel=_WHICH)] = None,
    reason: Annotated[list[str] | None, typer.Option(help="Its reason.", rich_help_panel=_WHICH)] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help=r"Its type, * for anything: '*\PaidEvent'.", rich_help_panel=_WHICH)
    ] = None,
    account: Annotated[str | None, typer.Option(help="Its account.", rich_help_panel=_WHICH)] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=_MOMENTS, help="Refused then (UTC) or later.", rich_help_panel=_WHICH),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_MOMENTS, help="Refused before then (UTC).", rich_help_panel=_WHICH)
    ] = None,
    state: Annotated[
        list[State] | None, typer.Option(help="What was done about it; else new and pending.", rich_help_panel=_WHICH)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.", rich_help_panel=_WHICH)] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.", rich_help_panel=_WHICH)] = 1000,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set what a JSONPath leads to.", rich_help_panel=_FIX),
    ] = None,
    delete: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Then remove what it leads to.", rich_help_panel=_FIX),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Only list them.")] = False,
    discard: Annotated[bool, typer.Option(help="Send nothing, and mark those that are new as not worth it.")] = False,
    dry_run: DryRun = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until they have landed.")] = 30,
    actor: Actor = None,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    username: Username = None,
    password: Password = None,
    bootstrap_servers: BootstrapServers = None,
    schema_registry: SchemaRegistry = None,
    raw_topic: RawTopic = None,
    output: OutputFormat = Output.TABLE,
) -> None:
    """List dead letters, discard them, or correct them and send them again through raw, each exactly once.

    However often one is sent, it is one event: its new id follows from the dead letter, and what is sent is stored
    first. So a run that was interrupted is simply run again. Exits with 1 when something was not sent, or did not land
    in events while it was waited for; with 2 when options do not fit together.
    """
    settings = mysql_settings(host, port, database, username, password)
    selection = Selection(
        tuple(ids or ()), tuple(reason or ()), type_, account, since, until, tuple(state or ("new", "pending"))
    )
    patches = _patches(set_ or [], delete or [])
    if not (list_ or everything or ids or reason or type_ or account or since or until):
        raise typer.BadParameter("say which dead letters: --id, --reason, --type, --account, --since, --until or --all")
    if discard and (list_ or patches or state):
        raise typer.BadParameter("--discard goes with a choice and --dry-run alone: it takes dead letters that are new")
    as_json = output is Output.JSON
    try:
        with connected(settings) as session:
            letters = Letters(session, actor_name(actor))
            if list_:
                found = letters.select(selection, limit)
                landings = letters.landings([letter.id for letter in found])
                total = letters.count(selection)
                show(
                    listed_as_json(found, landings, total), listed_as_table(found, landings, total), json_output=as_json
                )
                return
            if discard:
                found, gone = _discard(session, letters, replace(selection, states=("new",)), limit, dry_run=dry_run)
                show(
                    discarded_as_json(found, gone, dry_run=dry_run),
                    discarded_as_table(found, gone, dry_run=dry_run),
                    json_output=as_json,
                )
                return
            schemas = _Lazy(lambda: Schemas(registry_settings(schema_registry)))
            if dry_run:
                outcome = _plan(letters, selection, limit, patches, lambda number: schemas().schema(number))
                outcome.dry_run = True
                outcome.verdicts = {one.letter.id: verdict_on(one) for one in outcome.planned}
            else:
                kafka, topics = kafka_settings(bootstrap_servers, raw_topic)
                publisher = Publisher(kafka, topics, schemas().raw_header(topics.raw))
                with session.lock(Work.BY_HAND):
                    outcome = _plan(letters, selection, limit, patches, schemas().schema)
                    _send(letters, publisher, outcome)
                _await(letters, outcome, wait)
    except (GoldUnavailableError, KafkaUnavailableError) as error:
        raise failure(f"{error}; run it again: nothing is doubled") from error
    show(outcome_as_json(outcome), outcome_as_table(outcome), json_output=as_json)
    if not outcome.complete:
        raise failure(
            "not everything would land in events; the table says what and why"
            if dry_run
            else "not everything was sent and has landed in events; the table says what and why"
        )


def _patches(sets: list[str], deletes: list[str]) -> list[Patch]:
    try:
        return [*map(set_patch, sets), *map(delete_patch, deletes)]
    except PatchError as error:
        raise typer.BadParameter(str(error)) from error


def _discard(
    session: Session, letters: Letters, selection: Selection, limit: int, *, dry_run: bool
) -> tuple[list[Letter], list[int]]:
    """Return the dead letters that were asked for, and the numbers of those that were, or would be, discarded."""
    if dry_run:
        found = letters.select(selection, limit)
        return found, [letter.id for letter in found]
    with session.lock(Work.BY_HAND):
        found = letters.select(selection, limit)
        gone: list[int] = []
        for batch in batched(found, _BATCH, strict=False):
            gone += until_it_commits(partial(letters.discard, [letter.id for letter in batch]))
    return found, gone


def _plan(letters: Letters, selection: Selection, limit: int, patches: Sequence[Patch], schema_of: SchemaOf) -> Outcome:
    selected = letters.select(selection, limit)
    outcome = Outcome(len(selected), dry_run=False)
    now = datetime.now(UTC).replace(tzinfo=None)
    for letter in selected:
        try:
            outcome.planned.append(replay_of(letter, patches, schema_of, now=now))
        except NotReplayableError as error:
            outcome.skipped.append((letter, str(error)))
    return outcome


def _send(letters: Letters, publisher: Publisher, outcome: Outcome) -> None:
    for batch in batched(outcome.planned, _BATCH, strict=False):
        stored = until_it_commits(partial(letters.store, batch))
        sent, failed = publisher.send(stored)
        if sent:
            until_it_commits(partial(letters.mark_sent, sent))
        outcome.sent += [replay.letter.id for replay, _ in sent]
        outcome.skipped += [(replay.letter, f"Kafka did not take it: {why}") for replay, why in failed]
        outcome.skipped += [
            (replay.letter, "somebody changed it meanwhile") for replay in batch if replay not in stored
        ]


def _await(letters: Letters, outcome: Outcome, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        outcome.landings = letters.landings(outcome.sent)
        in_flight = any(landing.state == "in flight" for landing in outcome.landings.values())
        if not in_flight or time.monotonic() >= deadline:
            return
        time.sleep(_POLL_SECONDS)


class _Lazy[T]:
    """A value that is made when it is first asked for: a dry run over JSON payloads needs no registry."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []

    def __call__(self) -> T:
        if not self._made:
            self._made.append(self._make())
        return self._made[0]
