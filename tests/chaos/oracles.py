"""The data oracles: what must be true of gold and of the topics whatever has happened, when events have come to rest."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import batched
from pathlib import Path
from typing import Any

from holded_contracts.ledger import accepted_events
from holded_contracts.settings import MySQLSettings
from holded_contracts.settings.render import variable
from holded_contracts.wire import decimal_from_bytes
from holded_worker.domain.process import Rules, process_event
from holded_worker.domain.records import RawEvent
from tests.chaos.traffic import Notebook, Sent
from tests.chaos.world import World, execute
from tests.support.gold import ids, rows
from tests.support.waiting import wait_until

ARRIVAL_SECONDS = 60
"""Time that the last events have to come to rest."""
REST_SECONDS = 10
"""Time in which there must be a moment with no canary on its way: collectors send one in 30 s."""
_PER_QUERY = 500


@dataclass
class Findings:
    """What is not as it must be."""

    lost: int = 0
    duplicated: int = 0
    dead_by_mistake: int = 0
    others: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is nothing."""
        return not (self.lost or self.duplicated or self.dead_by_mistake or self.others)


def check(world: World, notebook: Notebook, before: list[tuple[Any, ...]]) -> Findings:
    """Wait until events have come to rest, then ask every oracle; `before` are the sink's positions to replay from."""
    findings = check_accounts(world, notebook)
    gold = world.gold()
    findings.others += reference(gold, notebook, world.known_rules)
    findings.others += dead_letters(world, gold, notebook)
    findings.others += _replayed(world, gold, before)
    return findings


def check_accounts(world: World, notebook: Notebook) -> Findings:
    """Wait until events have come to rest, then ask the oracles that need no payload: each is there, once, and counted."""
    findings = Findings()
    gold = world.gold()
    try:
        wait_until(lambda: not _missing(gold, notebook), timeout=ARRIVAL_SECONDS, interval=1, what="all have arrived")
        wait_until(lambda: _settled(gold), timeout=ARRIVAL_SECONDS, interval=1, what="the ledger has settled (D8)")
    except AssertionError as error:
        findings.others.append(str(error)[:200])
    each_once(gold, notebook, findings)
    findings.others += _at_rest(lambda: list(offsets(world, gold)))
    findings.others += _at_rest(lambda: list(verified(gold)))
    return findings


def _at_rest(ask: Callable[[], list[str]]) -> list[str]:
    """Return what an oracle finds each time it is asked: a canary on its way, one a second or so, is no fault."""
    found = ask()
    until = time.monotonic() + REST_SECONDS
    while found and time.monotonic() < until:
        time.sleep(0.5)
        found = ask()
    return found


def _missing(gold: MySQLSettings, notebook: Notebook) -> set[str]:
    return set(notebook.sent).difference(ids(gold, "events"), ids(gold, "events_dead_letter"))


def _settled(gold: MySQLSettings) -> bool:
    """Tell whether the sink has handled what the workers have sent, and no raw record waits for the sum to be whole."""
    ((processed, *parts),) = rows(gold, "SELECT processed, gold, dead_letters, duplicates FROM ledger")
    return bool(processed == sum(parts))


def each_once(gold: MySQLSettings, notebook: Notebook, findings: Findings) -> None:
    """D1, D2, D6: each acknowledged event is in the right one of the two tables, once."""
    events, dead = Counter(ids(gold, "events")), Counter(ids(gold, "events_dead_letter"))
    findings.lost = len(set(notebook.sent).difference(events, dead))
    findings.duplicated = sum(n - 1 for n in events.values()) + sum(n - 1 for n in dead.values())
    findings.duplicated += len(events.keys() & dead.keys())
    nameless = rows(gold, "SELECT COUNT(*) FROM events_dead_letter WHERE event_id IS NULL")[0][0]
    findings.dead_by_mistake = len(notebook.ids(dead=False) & dead.keys()) + int(nameless)
    if spared := notebook.ids(dead=True) & events.keys():
        findings.others.append(f"D1: {len(spared)} events that nobody can process are rows")


_COLUMNS = (
    *("type", "domain", "entity", "action", "account_id", "user_id", "target_subscription", "business_context"),
    *("currency", "quality_score", "amount", "occurred_at"),
)


def reference(gold: MySQLSettings, notebook: Notebook, rules: dict[str, Rules]) -> Iterator[str]:
    """D4: each row is what the worker's pure functions make of one of the payloads that were sent for it."""
    wrong: list[str] = []
    for some in batched(sorted(notebook.ids(dead=False)), _PER_QUERY, strict=False):
        statement = (
            "SELECT BIN_TO_UUID(event_id), pipeline_version,"
            " COALESCE(data_exact, CAST(data AS CHAR CHARACTER SET utf8mb4)),"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', received_at),"
            f" {', '.join(_COLUMNS[:-1])}, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', occurred_at)"
            f" FROM events WHERE event_id IN ({', '.join(['UUID_TO_BIN(%s)'] * len(some))})"
        )
        for event, version, data, received_at, *columns in rows(gold, statement, *some):
            known = rules.get(version.rpartition("+")[2])
            if known is None:
                wrong.append(f"{event} was made by rules that nobody gave: {version}")
            elif (data, columns) not in _Candidates(notebook.sent[event], event, received_at, known):
                wrong.append(event)
    if wrong:
        yield f"D4: {len(wrong)} rows differ from the reference, e.g. {wrong[0]}"


class _Candidates:
    """What the copies of an event may have become."""

    def __init__(self, copies: Iterable[Sent], event: str, received_at: int, rules: Rules) -> None:
        self._copies = copies
        self._id = bytes.fromhex(event.replace("-", ""))
        self._received_at = received_at
        self._rules = rules

    def __contains__(self, row: tuple[str, list[Any]]) -> bool:
        data, columns = row
        return any(
            expected is not None and json.loads(data) == expected[0] and columns == expected[1]
            for expected in map(self._expected, self._copies)
        )

    def _expected(self, copy: Sent) -> tuple[Any, list[Any]] | None:
        kind = json.loads(copy.payload)["headers"]["type"]
        raw = RawEvent("", 0, 0, 1, self._id, self._received_at, kind, None, copy.payload)
        silver = process_event(raw, self._rules, self._received_at).silver
        if silver is None:
            return None
        amount = silver["amount"]
        exact = {
            "amount": None if amount is None else decimal_from_bytes(amount),
            "quality_score": Decimal(round(silver["quality_score"] * 10_000)) / 10_000,
        }
        return json.loads(silver["data"]), [(silver | exact)[column] for column in _COLUMNS]


def dead_letters(world: World, gold: MySQLSettings, notebook: Notebook) -> Iterator[str]:
    """D5: a dead letter has the bytes that were sent, its place, its stage and its reason."""
    expected = notebook.ids(dead=True)
    found = rows(gold, "SELECT BIN_TO_UUID(event_id), payload, topic, `offset`, stage, reason FROM events_dead_letter")
    wrong = [
        event
        for event, payload, topic, offset, stage, reason in found
        if event in expected
        and not (
            any(payload == copy.payload for copy in notebook.sent[event])
            and topic == world.raw_topic
            and offset >= 0
            and stage
            and reason
        )
    ]
    if wrong:
        yield f"D5: {len(wrong)} dead letters lack bytes, place, stage or reason, e.g. {wrong[0]}"


def offsets(world: World, gold: MySQLSettings) -> Iterator[str]:
    """D8, D9 and the ledger (G5): every raw record is accounted for, and no offset is committed beyond its effect."""
    raw = world.raw_offsets()
    effects = dict(rows(gold, "SELECT `partition`, next_offset FROM worker_ledger WHERE topic = %s", world.raw_topic))
    lag = sum(end - committed for committed, end in raw.values())
    if lag:
        yield f"D8: {lag} raw records are not processed"
    for partition, (committed, end) in raw.items():
        if committed > effects.get(partition, 0):
            yield f"D9: raw[{partition}] is committed up to {committed} of {end}, its ledger ends at {effects.get(partition)}"
    ((gold_rows, dead, duplicates, canaries),) = rows(
        gold, "SELECT gold, dead_letters, duplicates, canaries FROM ledger"
    )
    accepted = accepted_events(sum(end for _, end in raw.values()), canaries)
    if accepted != gold_rows + dead + duplicates:
        yield f"G5: {accepted} accepted, but {gold_rows} gold + {dead} dead letters + {duplicates} duplicates"


def verified(gold: MySQLSettings) -> Iterator[str]:
    """D2, D9, D11 and more as a user would ask: `holded verify --settled`."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "holded"), "verify", "--settled", "--output", "json"],
        env=os.environ | _environment(gold),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        checks = json.loads(done.stdout)["checks"] if done.stdout else []
        found = [
            f"{c['name']}: {c['differences']} ({'; '.join(c['examples'][:2])})" for c in checks if c["differences"]
        ]
        yield f"verify: {', '.join(found) or done.stderr.strip()}"


def _environment(gold: MySQLSettings) -> dict[str, str]:
    values = gold.model_dump(include={"host", "port", "database", "username"}) | {
        "password": gold.password.get_secret_value()
    }
    return {variable("mysql", name): str(value) for name, value in values.items()}


def _replayed(world: World, gold: MySQLSettings, before: list[tuple[Any, ...]]) -> Iterator[str]:
    """D3: gold is the same after the sink has read everything since `before` again."""
    wait_until(lambda: _settled(gold), timeout=REST_SECONDS, interval=0.2, what="no canary is on its way")
    kept = world.checksums()
    ends = world.gold_position()
    starts = {(topic, partition): next_offset for topic, partition, next_offset, _ in before}
    for topic, partition, _, _ in ends:
        start = starts.get((topic, partition), 0)
        statement = "UPDATE sink_offsets SET next_offset = %s WHERE topic_id = %s AND `partition` = %s"
        execute(gold, statement, start, topic, partition)
    for pod in world.pods("sink"):
        world.replace(pod)
    began = time.monotonic()
    try:
        wait_until(lambda: _reached(world, ends), timeout=120, interval=1, what="the replay has been read")
    except AssertionError as error:
        yield f"D3: {str(error)[:200]} ({time.monotonic() - began:.0f} s)"
    yield from _at_rest(
        lambda: [f"D3: a replay changed {table}" for table, sum_ in world.checksums().items() if kept[table] != sum_]
    )


def _reached(world: World, ends: list[tuple[Any, ...]]) -> bool:
    found = {(topic, partition): next_offset for topic, partition, next_offset, _ in world.gold_position()}
    return all(found.get((topic, partition), 0) >= next_offset for topic, partition, next_offset, _ in ends)
