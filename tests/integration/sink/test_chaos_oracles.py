"""What `make chaos` asks after each fault sees what it is there to see: gold is spoilt in one way after another."""

import io
import time
from typing import Any

import pytest

from holded_cli.samples import Kind
from holded_cli.send.events import Generator
from holded_cli.send.mixture import Shares
from holded_contracts.identity import format_event_id
from holded_contracts.settings import MySQLSettings, SinkSettings
from holded_contracts.topics import Artefact
from holded_worker.domain.process import Rules, process_event
from holded_worker.domain.records import RawEvent
from tests.chaos import oracles
from tests.chaos.oracles import Findings
from tests.chaos.traffic import Notebook, Sent
from tests.integration.sink.harness import GoldView, Stream, entry, event_id, running

EVENTS = 200
RULES = Rules(version="1+rules")


class Checked:
    """Gold and who knows what it must hold; stands for chaos' `World`, too, which only a cluster has."""

    raw_topic = "events.raw"

    def __init__(self, settings: MySQLSettings) -> None:
        self._settings = settings
        self.notebook = Notebook(io.BytesIO())
        self.committed = self.end = EVENTS

    def raw_offsets(self) -> dict[int, tuple[int, int]]:
        return {0: (self.committed, self.end)}

    def findings(self) -> Findings:
        """Ask every oracle but the one that replays."""
        found, world = Findings(), self
        oracles.each_once(self._settings, self.notebook, found)
        found.others += oracles.offsets(world, self._settings)  # type: ignore[arg-type]
        found.others += oracles.verified(self._settings)
        found.others += oracles.reference(self._settings, self.notebook, {"rules": RULES})
        found.others += oracles.dead_letters(world, self._settings, self.notebook)  # type: ignore[arg-type]
        return found


@pytest.fixture
def checked(settings: SinkSettings, stream: Stream, gold: GoldView, mysql: MySQLSettings) -> Checked:
    found = Checked(mysql)
    now = time.time_ns() // 1000
    made: dict[Artefact, list[Any]] = {Artefact.SILVER: [], Artefact.DEAD_LETTER: []}
    for number, outgoing in enumerate(Generator(1).events(Shares.of(dead_letters=0.1), EVENTS)):
        event = RawEvent(found.raw_topic, 0, number, 1, event_id(number), now, "", None, outgoing.payload)
        outcome = process_event(event, RULES, now)
        made[Artefact.SILVER if outcome.silver else Artefact.DEAD_LETTER].append(outcome.silver or outcome.dead)
        found.notebook.sent[format_event_id(event.event_id)] = [Sent(*outgoing)]
    counts = {"silver_count": len(made[Artefact.SILVER]), "dead": len(made[Artefact.DEAD_LETTER])}
    with stream.transaction():
        for artefact, records in made.items():
            for record in records:
                stream.write(artefact, record)
        stream.write(Artefact.LEDGER, entry(0, 0, EVENTS - 1, **counts) | {"topic": found.raw_topic})
    with running(settings):
        gold.wait_for(EVENTS + 1)
    return found


def test_every_way_of_spoiling_gold_is_seen(checked: Checked, gold: GoldView) -> None:
    good = [row[0] for row in gold.query("SELECT event_id FROM events WHERE amount IS NOT NULL ORDER BY event_id")]
    poison = gold.query("SELECT event_id FROM events_dead_letter ORDER BY event_id")[0][0]
    kinds = {each[0].kind for each in checked.notebook.sent.values()}
    assert kinds == {Kind.GOLD, Kind.DEAD_LETTER}
    assert checked.findings() == Findings()

    def told(*beginnings: str) -> None:
        others = checked.findings().others
        assert [line for line in beginnings if not any(other.startswith(line) for other in others)] == [], others

    gold.query("UPDATE events SET data = JSON_SET(data, '$.spoilt', 1) WHERE event_id = %s", good[0])
    gold.query("UPDATE events SET quality_score = 0 WHERE event_id = %s", good[1])
    gold.query("UPDATE events_dead_letter SET payload = 'other' WHERE event_id = %s", poison)
    told("D4: 2 rows", "verify: ", "D5: 1 dead letters")  # verify: the summaries have another quality
    checked.end += 1
    told("D8: 1 raw records")
    checked.committed += 1
    told("D9: raw[0] is committed up to 201", "G5: 201 accepted")

    gold.query("DELETE FROM events WHERE event_id = %s", good[2])
    spoilt = checked.findings()
    assert (spoilt.lost, spoilt.duplicated, spoilt.dead_by_mistake) == (1, 0, 0)
    gold.query(
        "UPDATE events_dead_letter SET identity = %s, event_id = %s WHERE event_id = %s", good[3], good[3], poison
    )
    spoilt = checked.findings()
    assert (spoilt.lost, spoilt.duplicated, spoilt.dead_by_mistake) == (2, 1, 1), "the poison is nowhere now"
    gold.query("UPDATE events SET event_id = %s WHERE event_id = %s", poison, good[4])
    told("D1: 1 events that nobody can process are rows")
