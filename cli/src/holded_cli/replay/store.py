"""Dead letters in MySQL: which there are, which are to be sent, which have been."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holded_cli.mysql import Session
from holded_cli.replay.letters import Letter, Replay, letter_of

ACTION = "dead_letters.replay"
DISCARD = "dead_letters.discard"

_SELECT = """
    SELECT d.id, d.identity, d.event_id, d.reason, d.stage, d.detail, d.payload_kind, d.payload, d.type, d.account_id,
        d.source, d.received_at, d.failed_at, d.replay_state, r.payload AS replay_payload
    FROM events_dead_letter AS d LEFT JOIN dead_letter_replays AS r ON r.dead_letter_id = d.id
"""
_STATES = "SELECT id, replay_state FROM events_dead_letter WHERE id IN %s ORDER BY id FOR UPDATE"
_STORE = """
    INSERT INTO dead_letter_replays (dead_letter_id, event_id, payload, patches, requested_by)
    VALUES (%s, %s, %s, %s, %s)
"""
_PENDING = "UPDATE events_dead_letter SET replay_state = 'pending' WHERE id IN %s"
_SENT = """
    UPDATE dead_letter_replays SET attempts = attempts + 1, sent_at = UTC_TIMESTAMP(6), topic = %s, `partition` = %s,
        `offset` = %s WHERE dead_letter_id = %s
"""
_REPLAYED = "UPDATE events_dead_letter SET replay_state = 'replayed', replayed_at = UTC_TIMESTAMP(6) WHERE id IN %s"
_DISCARDED = "UPDATE events_dead_letter SET replay_state = 'discarded' WHERE id IN %s"
_LANDED = """
    SELECT r.dead_letter_id, i.event_id IS NOT NULL AS landed, again.id AS dead_letter, again.reason, again.detail
    FROM dead_letter_replays AS r
    LEFT JOIN event_ids AS i ON i.event_id = r.event_id
    LEFT JOIN events_dead_letter AS again ON again.identity = r.event_id
    WHERE r.dead_letter_id IN %s
"""


@dataclass(frozen=True)
class Selection:
    """Which dead letters; what is None or empty selects all."""

    ids: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    type: str | None = None
    """Type, * for any characters."""
    account: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Bounds of failed_at, UTC; until is exclusive."""
    states: tuple[str, ...] = ("new", "pending")

    def where(self) -> tuple[str, list[Any]]:
        """Return the SQL condition and its arguments."""
        conditions: list[tuple[str, Any]] = [("d.replay_state IN %s", self.states)]
        if self.ids:
            conditions.append(("d.id IN %s", self.ids))
        if self.reasons:
            conditions.append(("d.reason IN %s", self.reasons))
        if self.type is not None:
            conditions.append(("d.type LIKE %s ESCAPE '|'", _like(self.type)))
        if self.account is not None:
            conditions.append(("d.account_id = %s", self.account))
        if self.since is not None:
            conditions.append(("d.failed_at >= %s", self.since))
        if self.until is not None:
            conditions.append(("d.failed_at < %s", self.until))
        return " AND ".join(text for text, _ in conditions), [argument for _, argument in conditions]


@dataclass(frozen=True)
class Place:
    """Where in Kafka a replay is."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Landing:
    """What became of a replay."""

    state: str
    """in flight, events or dead letter."""
    detail: str = ""
    """Of the new dead letter: its number and reason."""


class Letters:
    """The dead letters of one pipeline."""

    def __init__(self, session: Session, actor: str) -> None:
        self._session = session
        self._actor = actor

    def select(self, selection: Selection, limit: int) -> list[Letter]:
        """Return dead letters in the order in which they came."""
        where, arguments = selection.where()
        rows = self._session.rows(f"{_SELECT} WHERE {where} ORDER BY d.id LIMIT %s", *arguments, limit)
        return [letter_of(row) for row in rows]

    def count(self, selection: Selection) -> int:
        """Return how many there are."""
        where, arguments = selection.where()
        query = f"SELECT COUNT(*) AS n FROM events_dead_letter AS d WHERE {where}"  # noqa: S608 -- from Selection
        return int(self._session.row(query, *arguments)["n"])

    def store(self, replays: Sequence[Replay]) -> list[Replay]:
        """Store what is about to be sent; return those that still may be: others have changed since they were read.

        What an earlier run has stored stays as it is, so that however often it is sent it is one event.
        """
        with self._session.transaction():
            rows = self._session.rows(_STATES, [replay.letter.id for replay in replays])
            states = {row["id"]: row["replay_state"] for row in rows}
            valid = [one for one in replays if states.get(one.letter.id) == one.letter.replay_state]
            fresh = [one for one in valid if not one.stored]
            self._session.change_many(
                _STORE,
                [(one.letter.id, one.event_id, one.fields["payload"], len(one.changes), self._actor) for one in fresh],
            )
            if fresh:
                self._session.change(_PENDING, [one.letter.id for one in fresh])
        return valid

    def mark_sent(self, sent: Sequence[tuple[Replay, Place]]) -> None:
        """Note that Kafka has them, with a line in the audit log that holds nothing of their content."""
        ids = sorted(replay.letter.id for replay, _ in sent)
        changed = sorted({change.place for replay, _ in sent for change in replay.changes})
        with self._session.transaction():
            self._session.change_many(
                _SENT, [(place.topic, place.partition, place.offset, replay.letter.id) for replay, place in sent]
            )
            self._session.change(_REPLAYED, ids)
            self._session.audit(self._actor, ACTION, json.dumps({"dead_letters": ids, "changed": changed}))

    def discard(self, ids: Sequence[int]) -> list[int]:
        """Mark letters as not worth sending, with a line in the audit log; return those that were still new.

        What is pending may be in Kafka already, so it is no more to be discarded than what was replayed.
        """
        with self._session.transaction():
            rows = self._session.rows(_STATES, list(ids))
            new = [int(row["id"]) for row in rows if row["replay_state"] == "new"]
            if new:
                self._session.change(_DISCARDED, new)
                self._session.audit(self._actor, DISCARD, json.dumps({"dead_letters": new}))
        return new

    def landings(self, ids: Sequence[int]) -> dict[int, Landing]:
        """Return what became of replays, by the number of the dead letter."""
        if not ids:
            return {}
        found = {}
        for row in self._session.rows(_LANDED, list(ids)):
            if row["dead_letter"] is not None:
                landing = Landing("dead letter", f"{row['dead_letter']}: {row['reason']}: {row['detail']}")
            else:
                landing = Landing("events" if row["landed"] else "in flight")
            found[row["dead_letter_id"]] = landing
        return found


def _like(pattern: str) -> str:
    for special in "|%_":
        pattern = pattern.replace(special, f"|{special}")
    return pattern.replace("*", "%")
