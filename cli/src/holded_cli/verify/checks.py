"""The checks: each is one question whose right answer is no rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from holded_cli.days import Days, split_by_partition
from holded_cli.mysql import Session
from holded_cli.summaries import SUMMARIES, SummaryTable, count_differences, differences


@dataclass(frozen=True)
class Check:
    """What one check found."""

    name: str
    meaning: str
    compared: int
    """Rows or buckets looked at."""
    differences: int
    examples: list[str]
    """The first few of them."""


_ID = "BIN_TO_UUID({}.event_id)"

_UNREGISTERED_EVENTS = """
    FROM events AS e LEFT JOIN event_ids AS i ON i.event_id = e.event_id
    WHERE e.event_date BETWEEN %s AND %s
      AND (i.event_date IS NULL OR i.event_date <> e.event_date OR e.event_date <> DATE(e.occurred_at))
"""
_IDS_WITHOUT_EVENT = """
    FROM event_ids AS i
    LEFT JOIN events AS e ON e.event_id = i.event_id AND e.event_date = i.event_date
    LEFT JOIN erased_ids AS x ON x.event_id = i.event_id
    WHERE i.event_date BETWEEN %s AND %s AND e.event_id IS NULL AND x.event_id IS NULL
"""
_UNREGISTERED_LETTERS = """
    FROM events_dead_letter AS d LEFT JOIN event_ids AS i ON i.event_id = d.identity
    WHERE i.event_id IS NULL OR i.event_date IS NOT NULL OR d.identity <> COALESCE(d.event_id, d.identity)
"""
_IDS_WITHOUT_LETTER = """
    FROM event_ids AS i
    LEFT JOIN events_dead_letter AS d ON d.identity = i.event_id
    LEFT JOIN erased_ids AS x ON x.event_id = i.event_id
    WHERE i.event_date IS NULL AND d.id IS NULL AND x.event_id IS NULL
"""
_IN_BOTH = """
    FROM events_dead_letter AS d
    JOIN events AS e ON e.event_id = d.event_id
"""
_REPLAYS_UNRECORDED = """
    FROM events_dead_letter AS d LEFT JOIN dead_letter_replays AS r ON r.dead_letter_id = d.id
    WHERE (d.replay_state = 'replayed') <> (r.sent_at IS NOT NULL)
       OR (d.replay_state = 'pending') <> (r.dead_letter_id IS NOT NULL AND r.sent_at IS NULL)
"""
_COUNTED = """
    SELECT
        (SELECT COALESCE(SUM(IF(artefact = 'silver', inserted, 0)), 0) FROM sink_offsets) AS gold,
        (SELECT COALESCE(SUM(IF(artefact = 'dead_letter', inserted, 0) + dead), 0) FROM sink_offsets) AS dead,
        (SELECT COUNT(event_date) FROM event_ids) AS gold_ids,
        (SELECT COUNT(*) - COUNT(event_date) FROM event_ids) AS dead_ids
"""
_WORKERS = """
    SELECT topic, `partition`, records, silver + dead_letters + duplicates AS parts, next_offset FROM worker_ledger
    WHERE records <> silver + dead_letters + duplicates OR records > next_offset ORDER BY topic_id, `partition`
"""
_OFFSETS = """
    SELECT topic, `partition`, next_offset, counted_offset, inserted + duplicates + dead + canaries AS handled
    FROM sink_offsets
    WHERE next_offset < 0 OR next_offset > counted_offset OR inserted + duplicates + dead + canaries > counted_offset
       OR LEAST(inserted, duplicates, dead, canaries) < 0 ORDER BY topic_id, `partition`
"""
_IN_FLIGHT = """
    SELECT artefact, handled, sent FROM (
        SELECT 'silver' AS artefact, (SELECT COALESCE(SUM(silver), 0) FROM worker_ledger) AS sent,
            COALESCE(SUM(inserted + duplicates + dead + canaries), 0) AS handled
        FROM sink_offsets WHERE artefact = 'silver'
        UNION ALL
        SELECT 'dead_letter', (SELECT COALESCE(SUM(dead_letters), 0) FROM worker_ledger),
            COALESCE(SUM(inserted + duplicates + dead + canaries), 0) FROM sink_offsets WHERE artefact = 'dead_letter'
    ) AS stages WHERE handled <> sent
"""


class Verification:
    """Runs the checks in one snapshot, so that a sink which writes meanwhile makes no difference."""

    def __init__(self, session: Session, days: Days, *, examples: int, settled: bool) -> None:
        self._session = session
        self._days = days
        self._limit = examples
        self._settled = settled

    def run(self) -> Iterator[Check]:
        """Yield each check when it is done."""
        pieces = split_by_partition(self._session, self._days)
        for table in SUMMARIES:
            yield self._summary(table, pieces)
        yield self._events_registered(pieces)
        dates = (self._days.first, self._days.last)
        ids = _ID.format("i")
        total = self._count("FROM event_ids WHERE event_date BETWEEN %s AND %s", *dates)
        yield self._rows(
            "ids of events", "each registered id has its event (D1)", total, ids, _IDS_WITHOUT_EVENT, *dates
        )
        letters = self._count("FROM events_dead_letter")
        identity = "BIN_TO_UUID(d.identity)"
        yield self._rows(
            "dead letters", "each is registered once, as one (D2)", letters, identity, _UNREGISTERED_LETTERS
        )
        total = self._count("FROM event_ids WHERE event_date IS NULL")
        yield self._rows(
            "ids of dead letters", "each registered id has its dead letter (D1)", total, ids, _IDS_WITHOUT_LETTER
        )
        yield self._rows("one of both", "no event is gold and dead letter (D1)", letters, _ID.format("d"), _IN_BOTH)
        yield self._rows("replays", "what is marked as sent again is recorded", letters, identity, _REPLAYS_UNRECORDED)
        yield self._ledger()
        yield self._offsets()
        if self._settled:
            yield self._in_flight()

    def _summary(self, table: SummaryTable, pieces: list[Days]) -> Check:
        compared = wrong = 0
        examples: list[str] = []
        for piece in pieces:
            buckets, differing = count_differences(self._session, table, piece)
            compared, wrong = compared + buckets, wrong + differing
            if differing and len(examples) < self._limit:
                found = differences(self._session, table, piece, limit=self._limit - len(examples))
                examples.extend(map(str, found))
        return Check(table.title, "equal a GROUP BY over events (D11)", compared, wrong, examples)

    def _events_registered(self, pieces: list[Days]) -> Check:
        compared = wrong = 0
        examples: list[str] = []
        for piece in pieces:
            dates = (piece.first, piece.last)
            compared += self._count("FROM events WHERE event_date BETWEEN %s AND %s", *dates)
            found = self._rows("", "", 0, _ID.format("e"), _UNREGISTERED_EVENTS, *dates)
            wrong += found.differences
            examples.extend(islice(found.examples, self._limit - len(examples)))
        return Check("events", "each id is registered once, under its day (D2)", compared, wrong, examples)

    def _ledger(self) -> Check:
        row = self._session.row(_COUNTED)
        problems = [
            f"{name}: {row[counter]} counted, {row[registered]} registered"
            for name, counter, registered in (("gold", "gold", "gold_ids"), ("dead letters", "dead", "dead_ids"))
            if row[counter] != row[registered]
        ]
        problems += [
            f"{row['topic']}[{row['partition']}]: {row['records']} records became {row['parts']} up to offset "
            f"{row['next_offset']}"
            for row in self._session.rows(_WORKERS)
        ]
        compared = 2 + self._count("FROM worker_ledger")
        return self._check("ledger", "counters equal the ids; records are in one place each (G5)", compared, problems)

    def _offsets(self) -> Check:
        problems = [
            f"{row['topic']}[{row['partition']}]: next {row['next_offset']}, counted {row['counted_offset']}, "
            f"handled {row['handled']}"
            for row in self._session.rows(_OFFSETS)
        ]
        compared = self._count("FROM sink_offsets")
        return self._check("offsets", "no more is counted than was read (D9)", compared, problems)

    def _in_flight(self) -> Check:
        problems = [
            f"{row['artefact']}: workers sent {row['sent']}, the sink has handled {row['handled']}"
            for row in self._session.rows(_IN_FLIGHT)
        ]
        return self._check("in flight", "nothing is between workers and gold (--settled)", 2, problems)

    def _check(self, name: str, meaning: str, compared: int, problems: list[str]) -> Check:
        return Check(name, meaning, compared, len(problems), problems[: self._limit])

    def _rows(self, name: str, meaning: str, compared: int, shown: str, query: str, *arguments: object) -> Check:
        wrong = self._count(query, *arguments)
        examples: list[str] = []
        if wrong and self._limit:
            rows = self._session.rows(f"SELECT {shown} AS shown {query} LIMIT %s", *arguments, self._limit)  # noqa: S608 -- from above
            examples = [str(row["shown"]) for row in rows]
        return Check(name, meaning, compared, wrong, examples)

    def _count(self, query: str, *arguments: object) -> int:
        return int(self._session.row(f"SELECT COUNT(*) AS n {query}", *arguments)["n"])  # noqa: S608 -- as above
