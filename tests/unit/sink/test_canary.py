"""Canaries are in none of the rows and figures that are about events."""

from datetime import timedelta

from holded_contracts.canary import CANARY_TYPE, canary_source
from holded_contracts.reasons import DeadLetterReason
from holded_sink.batch import Refusal
from holded_sink.canary import newest
from holded_sink.prepare import Counts, count, prepare
from tests.unit.sink.test_prepare import DEAD, NOON, NOW, SILVER, batch, decoded, letter, silver

MARK = {"type": CANARY_TYPE, "source": canary_source("collector-0")}


def canary(number: int, **changes: object) -> dict:
    return silver(number, **MARK | changes)


def prepared(*items, counted: int = 0, refused=None):
    return prepare(batch(*items, counted=counted), refused=refused or {}, now=NOW, pipeline_version="test")


def test_a_canary_is_no_row_and_no_event_of_the_counts() -> None:
    found = prepared(decoded(SILVER, 0, silver(0)), decoded(SILVER, 1, canary(1)))
    assert [row.offset for row in found.events] == [0]
    assert len(found.text.identities) == 1
    assert count(found, set())[SILVER] == Counts(inserted=1, canaries=1)
    assert newest(found.canaries) == ("collector-0", NOW)


def test_the_type_alone_makes_no_canary() -> None:
    found = prepared(decoded(SILVER, 0, silver(0, type=CANARY_TYPE, source="shop")))
    assert len(found.events) == 1
    assert not found.canaries


def test_a_canary_that_the_worker_refused_is_no_dead_letter_and_has_not_arrived() -> None:
    found = prepared(decoded(DEAD, 0, letter(1, **MARK)))
    assert not found.letters
    assert count(found, set())[DEAD] == Counts(canaries=1)
    assert newest(found.canaries) is None


def test_a_canary_that_does_not_fit_is_no_dead_letter_either() -> None:
    refusal = Refusal(DeadLetterReason.STORAGE_REFUSED, "no")
    found = prepared(
        decoded(SILVER, 0, canary(0, received_at=2**62)),
        decoded(SILVER, 1, canary(1), refusal=refusal),
        decoded(SILVER, 2, canary(2)),
        refused={(SILVER, 2): "Data too long"},
    )
    assert not found.letters
    assert not found.events
    assert count(found, set())[SILVER] == Counts(canaries=3)
    assert newest(found.canaries) is None


def test_a_replayed_canary_counts_for_nothing() -> None:
    found = prepared(decoded(SILVER, 0, canary(0)), decoded(SILVER, 1, canary(1)), counted=1)
    assert count(found, set())[SILVER] == Counts(canaries=1)


def test_of_several_canaries_the_one_sent_last_is_kept() -> None:
    second = 1_000_000
    items = (
        decoded(SILVER, 0, canary(0, received_at=NOON + second, source=canary_source("b"))),
        decoded(SILVER, 1, canary(1, source=canary_source("c"))),
    )
    assert newest(prepared(*items).canaries) == ("b", NOW + timedelta(seconds=1))
