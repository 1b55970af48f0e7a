"""The status: well-formed, honest, and unchanged while nothing changes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holded_operator.api.v1alpha1 import HoldedPipelineStatus, SubjectStatus, TopicStatus
from holded_operator.status import PART_TYPES, Facts, Ledger, PartResult, build_status, invalid_status
from holded_operator.validation import Problem
from tests.unit.operator.samples import sample

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)
FACTS = Facts(
    topics=(TopicStatus(name="events.raw", id="f00", partitions=3, replication_factor=1),),
    subjects=(SubjectStatus(name="events.raw-value", id=7, version=1),),
    collector_url="http://minimal-collector.default.svc:8000/collect",
    pipeline_version="abc",
    lag=12,
    ledger=Ledger(accepted=100, gold=80, dead_letters=5, duplicates=3),
    worker_replicas=1,
    worker_selector="a=b",
)


def parts(**failing: tuple[bool | None, str, str]) -> list[PartResult]:
    fine = (True, "Ready", "as desired")
    return [PartResult(name, *failing.get(name, fine)) for name in PART_TYPES]


def condition(status: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [entry for entry in status["conditions"] if entry["type"] == name]
    return found


def passed(previous: dict[str, Any], found: Sequence[PartResult], now: datetime, facts: Facts | None = FACTS, **kwargs):
    return build_status(sample(**kwargs), previous, found, now=now, facts=facts)


def test_all_parts_ready_is_running():
    status = passed({}, parts(), START)

    assert status["phase"] == "Running"
    assert status["observedGeneration"] == 1
    assert [entry["type"] for entry in status["conditions"]] == ["Ready", *PART_TYPES]
    assert {entry["status"] for entry in status["conditions"]} == {"True"}
    assert status["ledger"] == {
        "accepted": 100, "gold": 80, "deadLetters": 5, "duplicates": 3, "inFlight": 12, "at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert status["topics"] == [{"name": "events.raw", "id": "f00", "partitions": 3, "replicationFactor": 1}]
    HoldedPipelineStatus.model_validate(status)


def test_nothing_changed_is_nothing_to_write():
    first = passed({}, parts(), START)

    assert passed(first, parts(), LATER) == first


def test_transition_time_moves_with_the_status_and_with_nothing_else():
    first = passed({}, parts(), START)
    worded = passed(first, parts(WorkerReady=(True, "Scaled", "other words")), LATER)
    failed = passed(worded, parts(WorkerReady=(False, "NotReady", "0 of 1 pods ready")), LATER)

    assert condition(worded, "WorkerReady")["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert condition(worded, "WorkerReady")["message"] == "other words"
    assert condition(failed, "WorkerReady")["lastTransitionTime"] == "2026-01-01T01:00:00Z"
    assert condition(failed, "Ready")["lastTransitionTime"] == "2026-01-01T01:00:00Z"
    assert condition(failed, "SinkReady")["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_ready_names_the_part_that_fails_and_why():
    status = passed({}, parts(DatabaseReady=(False, "Unreachable", "mysql:3306: connection refused")), START)

    assert condition(status, "Ready")["status"] == "False"
    assert condition(status, "Ready")["reason"] == "Unreachable"
    assert condition(status, "Ready")["message"] == "DatabaseReady: mysql:3306: connection refused"


def test_a_fault_is_told_before_what_only_waits_for_it():
    status = passed({}, [PartResult("DatabaseReady", ok=False, reason="Unreachable", message="gone")], START)

    assert condition(status, "TopicsReady")["status"] == "Unknown"
    assert condition(status, "Ready")["message"] == "DatabaseReady: gone"


def test_a_part_that_was_not_reached_keeps_its_condition():
    first = passed({}, parts(), START)
    status = passed(first, [PartResult("TopicsReady", ok=False, reason="Unreachable", message="kafka:9092")], LATER)

    assert condition(status, "SinkReady") == condition(first, "SinkReady")
    assert condition(status, "Ready")["status"] == "False"


@pytest.mark.parametrize(
    ("previous", "generation", "phase"),
    [
        ({}, 1, "Provisioning"),
        ({"phase": "Running", "observedGeneration": 1}, 1, "Degraded"),
        ({"phase": "Degraded", "observedGeneration": 1}, 1, "Degraded"),
        ({"phase": "Running", "observedGeneration": 1}, 2, "Provisioning"),
        ({"phase": "Provisioning", "observedGeneration": 1}, 1, "Provisioning"),
    ],
)
def test_what_ran_before_is_degraded_what_never_ran_is_provisioned(
    previous: dict[str, Any], generation: int, phase: str
):
    failing = parts(SinkReady=(False, "NotReady", "0 of 1 pods ready"))

    assert passed(previous, failing, START, generation=generation)["phase"] == phase


def test_nothing_seen_yet_is_pending():
    status = passed({}, [], START, facts=None)

    assert status["phase"] == "Pending"
    assert condition(status, "Ready")["status"] == "False"


def test_suspended_says_so_even_when_created_suspended():
    held = (False, "Suspended", "spec.suspend is true")
    found = parts(CollectorReady=held, WorkerReady=held, SinkReady=held)
    status = passed({}, found, START, change={"suspend": True})

    assert status["phase"] == "Suspended"
    assert condition(status, "Ready")["status"] == "False"
    assert condition(status, "Ready")["reason"] == "Suspended"


def test_a_fault_of_a_suspended_pipeline_is_not_hidden():
    held = (False, "Suspended", "spec.suspend is true")
    found = parts(TopicsReady=(False, "Unreachable", "kafka:9092"), WorkerReady=held)
    status = passed({}, found, START, change={"suspend": True})

    assert status["phase"] == "Suspended"
    assert condition(status, "Ready")["reason"] == "Unreachable"


def test_deletion_shows_and_is_never_ready():
    status = passed(passed({}, parts(), START), [], LATER, deletion_timestamp="2026-01-01T00:00:00Z")

    assert status["phase"] == "Deleting"
    assert (condition(status, "Ready")["status"], condition(status, "Ready")["reason"]) == ("False", "Deleting")


def test_what_was_not_seen_stays_but_an_old_lag_goes():
    first = passed({}, parts(), START)
    status = passed(first, parts(), LATER, facts=Facts())

    assert "lag" not in status
    assert {key: status[key] for key in first if key != "lag"} == {key: first[key] for key in first if key != "lag"}


def test_new_numbers_get_a_new_time():
    first = passed({}, parts(), START)
    status = passed(first, parts(), LATER, facts=Facts(ledger=Ledger(101, 81, 5, 3)))

    assert status["ledger"]["at"] == "2026-01-01T01:00:00Z"


def test_an_invalid_spec_leaves_everything_else_as_it_was():
    first = passed({}, parts(), START)
    metadata = sample(generation=2).metadata
    problems = [Problem("spec.worker.dedupWindow", "too long"), Problem("spec.topics.raw.name", "collides")]
    status = invalid_status(metadata, first, problems, now=LATER)

    assert status["phase"] == "Invalid"
    assert status["observedGeneration"] == 2
    ready = condition(status, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert ready["message"] == "spec.worker.dedupWindow: too long; spec.topics.raw.name: collides"
    assert [condition(status, name) for name in PART_TYPES] == [condition(first, name) for name in PART_TYPES]
    assert status["ledger"] == first["ledger"]
    assert invalid_status(metadata, status, problems, now=LATER + timedelta(days=1)) == status
    HoldedPipelineStatus.model_validate(status)


def test_a_page_long_message_is_cut():
    status = passed({}, parts(TopicsReady=(False, "Refused", "x" * 100_000)), START)

    assert len(condition(status, "TopicsReady")["message"]) == 2000
    assert condition(status, "TopicsReady")["message"].endswith("…")
    assert len(condition(status, "Ready")["message"]) <= 2000


def test_every_condition_is_well_formed():
    status = passed({}, parts(SinkReady=(None, "Pending", "")), START)

    for entry in status["conditions"]:
        assert set(entry) == {"type", "status", "observedGeneration", "lastTransitionTime", "reason", "message"}
        assert entry["reason"][0].isupper()
        assert entry["reason"].isalnum()
