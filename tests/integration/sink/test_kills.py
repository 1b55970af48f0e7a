"""G3 against SIGKILL at every place of the transaction, and against sinks that come and go."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from holded_contracts.settings import SinkBatch, SinkSettings
from holded_contracts.topics import Artefact
from tests.integration.sink.harness import canary, entry, increment, letter, process, running, silver, sink_environment
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

KILLED = Path(__file__).with_name("killed_sink.py")
WHOLE_ROUNDS = SinkBatch(max_rows=1000, max_wait_ms=1000)
"""Waits long enough that all that was written is one batch."""
FEW_STATEMENTS = 8
MANY_STATEMENTS = 40


@contextmanager
def doomed(settings: SinkSettings, *point: str) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, str(KILLED), *point], env=sink_environment(settings))
    try:
        yield started
    finally:
        started.kill()
        started.wait(30)


def write_round(stream, number: int) -> None:
    """Write some of everything, so that a batch has every statement there is."""
    with stream.transaction():
        for event in range(number * 10, number * 10 + 10):
            stream.write(Artefact.SILVER, silver(event, raw_partition=0))
        stream.write(Artefact.SILVER, canary(number, raw_partition=0))
        stream.write(Artefact.DEAD_LETTER, letter(1_000_000 + number))
        stream.write(Artefact.ANALYTICS, increment(number, "company-1", 10, Decimal(1)), partition=0)
        stream.write(Artefact.LEDGER, entry(0, number * 12, number * 12 + 11, silver_count=11, dead=1), partition=0)


def died_or_stored(sink: subprocess.Popen[bytes], gold, records: int) -> bool:
    with suppress(subprocess.TimeoutExpired):
        sink.wait(0.05)
    return sink.poll() is not None or gold.handled() >= records


def test_a_kill_before_any_statement_loses_and_repeats_nothing(settings_of, stream, gold):
    settings = settings_of(batch=WHOLE_ROUNDS)
    for point in count():
        write_round(stream, point)
        with doomed(settings, str(point)) as sink:
            wait_until(partial(died_or_stored, sink, gold, stream.written), timeout=60, what=f"end of {point}")
            if sink.poll() is None:
                break
            assert sink.returncode == -signal.SIGKILL
            assert gold.handled() == 0, "nothing of a transaction may be seen before its end"
        assert point < MANY_STATEMENTS
    assert point > FEW_STATEMENTS, "the wrapper counts statements"

    events = (point + 1) * 10
    assert gold.handled() == stream.written
    assert gold.ledger() == (events, point + 1, 0, events + point + 1)
    assert gold.value("SELECT canaries FROM ledger") == point + 1
    assert gold.value("SELECT SUM(event_count) FROM events_analytics") == events
    gold.assert_summaries_equal_group_by()


def test_a_kill_after_the_commit_and_before_its_answer_repeats_nothing(settings_of, stream, gold):
    settings = settings_of(batch=WHOLE_ROUNDS)
    stored = 0
    write_round(stream, 0)
    for point in count(FEW_STATEMENTS):
        assert point < MANY_STATEMENTS, "no statement of these is the commit"
        with doomed(settings, str(point), "answer") as sink:
            sink.wait(60)
        stored = gold.handled()
        if stored:
            break
    assert stored == stream.written

    write_round(stream, 1)
    with process(settings):
        gold.wait_for(stream.written)
    assert gold.ledger() == (20, 2, 0, 22)
    assert gold.value("SELECT canaries FROM ledger") == 2
    gold.assert_summaries_equal_group_by()


def test_sinks_that_come_and_go_amid_a_backlog_store_everything_once(settings_of, stream, gold):
    def write_more() -> None:
        start = stream.written
        with stream.transaction():
            for number in range(start, start + 1000):
                stream.write(Artefact.SILVER, silver(number))

    def both_work() -> bool:
        write_more()
        return _actors(gold) == 2

    one, two = (settings_of(pod, max_rows=100) for pod in ("sink-0", "sink-1"))
    with running(one):
        with running(two):
            wait_until(both_work, timeout=60, what="both work")
        write_more()
        with running(two):
            gold.wait_for(stream.written, timeout=120)

    assert gold.ledger()[:3] == (stream.written, 0, 0)
    assert gold.value("SELECT COUNT(*) FROM events") == stream.written
    gold.assert_summaries_equal_group_by()


def _actors(gold) -> int:
    return int(gold.value("SELECT COUNT(DISTINCT actor) FROM audit_log WHERE action = 'batch'"))
