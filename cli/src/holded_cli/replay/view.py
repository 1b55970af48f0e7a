"""What `holded replay` prints."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from holded_cli.replay.letters import Letter
from holded_cli.replay.outcome import Outcome
from holded_cli.replay.store import Landing
from holded_cli.replay.verdict import Verdict
from holded_cli.report import short_type
from holded_cli.terminal import plain
from holded_contracts.identity import format_event_id


def listed_as_json(letters: list[Letter], landings: dict[int, Landing], total: int) -> dict[str, Any]:
    """Return the list for programs; `total` is how many there are without the limit."""
    return {"total": total, "dead_letters": [_letter(letter, landings.get(letter.id)) for letter in letters]}


def listed_as_table(letters: list[Letter], landings: dict[int, Landing], total: int) -> Table:
    """Return the list for people."""
    title = f"Dead letters: {len(letters):,} of {total:,}"
    table = Table("Id", "Failed at (UTC)", "Reason", title=title, title_justify="left")
    table.add_column("Type", max_width=20)
    table.add_column("Account", max_width=12)
    table.add_column("State")
    table.add_column("Detail", overflow="fold")
    for letter in letters:
        table.add_row(
            str(letter.id),
            letter.failed_at.isoformat(sep=" ", timespec="seconds"),
            plain(letter.reason),
            plain(short_type(letter.type or "")),
            plain(letter.account_id or ""),
            _state(letter, landings.get(letter.id)),
            plain(letter.detail),
        )
    return table


def discarded_as_json(letters: list[Letter], ids: list[int], *, dry_run: bool) -> dict[str, Any]:
    """Return what was discarded, or would be, for programs; `letters` are those that were asked for."""
    return {"dry_run": dry_run, "selected": len(letters), "discarded": ids}


def discarded_as_table(letters: list[Letter], ids: list[int], *, dry_run: bool) -> Table:
    """Return what was discarded, or would be, for people."""
    verb = "Would be discarded" if dry_run else "Discarded"
    done = [letter for letter in letters if letter.id in set(ids)]
    table = listed_as_table(done, {}, len(letters))
    table.title = f"{verb}: {len(done):,} of {len(letters):,} dead letters"
    return table


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """Return what was done, or would be, for programs."""
    return {
        "dry_run": outcome.dry_run,
        "selected": outcome.selected,
        "sent": len(outcome.sent),
        "replays": [
            {
                "dead_letter": replay.letter.id,
                "event_id": format_event_id(replay.event_id),
                "stored_before": replay.stored,
                "changes": [vars(change) for change in replay.changes],
                "payload": replay.fields["payload"].decode(),
                "landed": _landed(outcome.landings.get(replay.letter.id)),
                "worker": _verdict(outcome.verdicts.get(replay.letter.id)),
            }
            for replay in outcome.planned
        ],
        "skipped": [{"dead_letter": letter.id, "why": why} for letter, why in outcome.skipped],
    }


def outcome_as_table(outcome: Outcome) -> Group:
    """Return what was done, or would be, for people."""
    verb = "Would be sent again" if outcome.dry_run else "Sent again"
    number = len(outcome.planned) if outcome.dry_run else len(outcome.sent)
    table = Table(title=f"{verb}: {number:,} of {outcome.selected:,} dead letters", title_justify="left")
    table.add_column("Id")
    table.add_column("New event id", no_wrap=True)
    table.add_column("Changes", overflow="fold")
    table.add_column("Landed in" if not outcome.dry_run else "The worker would", overflow="fold")
    for replay in outcome.planned:
        changes = "as stored by an earlier run" if replay.stored else "\n".join(map(str, replay.changes)) or "none"
        landing = outcome.landings.get(replay.letter.id)
        verdict = outcome.verdicts.get(replay.letter.id)
        last = str(verdict) if verdict is not None else _landed(landing) or "not sent"
        table.add_row(str(replay.letter.id), format_event_id(replay.event_id), plain(changes), plain(last))
    lines = [Text.assemble(f"{letter.id}: not sent: ", plain(why)) for letter, why in outcome.skipped]
    return Group(table, *lines)


def _letter(letter: Letter, landing: Landing | None) -> dict[str, Any]:
    return {
        "id": letter.id,
        "event_id": None if letter.event_id is None else format_event_id(letter.event_id),
        "reason": letter.reason,
        "stage": letter.stage,
        "detail": letter.detail,
        "type": letter.type,
        "account_id": letter.account_id,
        "failed_at": letter.failed_at.isoformat(timespec="milliseconds") + "Z",
        "state": letter.replay_state,
        "landed": _landed(landing),
        "payload_kind": letter.payload_kind,
        "payload_text": letter.payload.decode("utf-8", "replace") if letter.payload_kind == "event" else None,
    }


def _state(letter: Letter, landing: Landing | None) -> str:
    return letter.replay_state if landing is None else f"{letter.replay_state}, {landing.state}"


def _verdict(verdict: Verdict | None) -> dict[str, Any] | None:
    return None if verdict is None else vars(verdict)


def _landed(landing: Landing | None) -> str | None:
    return None if landing is None else f"{landing.state} {landing.detail}".strip()
