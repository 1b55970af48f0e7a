"""`holded replay` from dead letter to row: once, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from holded_contracts.settings import KafkaSettings, MySQLSettings, SchemaRegistrySettings, TopicNames
from tests.integration.cli.filling import SinkWriter, answer, complaint, differences, holded
from tests.integration.sink.harness import letter
from tests.support.gold import gold, rows
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

GOOD = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent"
STAMP = r"X-Message-Stamp-Holded\Shared\ContextStamp"


def event(number: int, **headers: object) -> dict:
    """An event with an id header of its own, so that its identity does not change with its content."""
    return {
        "data": {"id": f"t{number}", "amount": number, "currency": "EUR", "exact": 1234567890123456789},
        "headers": {"type": GOOD, "X-Event-Id": f"id-{number}", STAMP: {"accountId": "acme", "userId": "u"}} | headers,
    }


BAD_TYPES = [event(number, type="WalletTransactionCreated") for number in range(5)]
BAD_STAMPS = [event(number, **{STAMP: "acme"}) for number in range(5, 8)]
SENT = [event(number) for number in range(8, 20)] + BAD_TYPES + BAD_STAMPS


@pytest.fixture
def environment(kafka: KafkaSettings, schema_registry: SchemaRegistrySettings, topics: TopicNames) -> dict[str, str]:
    """Where a user says that Kafka and the registry are."""
    return {
        "HOLDED_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "HOLDED_SCHEMA_REGISTRY__URL": schema_registry.url,
        "HOLDED_TOPICS__RAW": topics.raw,
    }


@pytest.fixture
def replay(worker_and_sink: MySQLSettings, environment: dict[str, str]) -> Callable:
    return lambda *arguments: holded(worker_and_sink, "replay", *arguments, **environment)


@pytest.fixture
def dead(collector: str, worker_and_sink: MySQLSettings, tmp_path: Path) -> MySQLSettings:
    """Twelve rows and eight dead letters."""
    file = tmp_path / "events.json"
    file.write_text(json.dumps(SENT))
    answer(holded(worker_and_sink, "send", file, "--url", collector, "--json"))
    settle(worker_and_sink, 20)
    return worker_and_sink


def settle(mysql: MySQLSettings, expected: int) -> dict[str, int]:
    """Wait until so many raw records are accounted for; return the ledger."""
    report = answer(holded(mysql, "report", "--wait-for", expected, "--timeout", "60", "--json"))
    return {name: report["ledger"][name] for name in ("accepted", "gold", "dead_letters", "duplicates", "in_flight")}


def exact(mysql: MySQLSettings) -> None:
    wait_until(lambda: differences(mysql, "--settled") == {}, timeout=30, what="gold is exact")


def states(mysql: MySQLSettings) -> dict[str, int]:
    return dict(rows(mysql, "SELECT replay_state, COUNT(*) FROM events_dead_letter WHERE %s GROUP BY 1", 1))


def raw_records(kafka: KafkaSettings, topics: TopicNames) -> int:
    admin = AdminClient(kafka.client_config())
    partitions = {TopicPartition(topics.raw, number): OffsetSpec.latest() for number in range(3)}
    return sum(future.result(10).offset for future in admin.list_offsets(partitions).values())


def test_dead_letters_are_listed_tried_corrected_sent_and_land_once(dead: MySQLSettings, replay: Callable):
    listed = answer(replay("--list", "--reason", "invalid_type", "-o", "json"))
    assert (listed["total"], len(listed["dead_letters"])) == (5, 5)
    fix = ("--reason", "invalid_type", "--set", f"$.headers.type={GOOD}", "--set", "$.data.amount=12.5", "-o", "json")

    before = answer(replay(*fix, "--dry-run"))
    assert (before["selected"], before["sent"], len(before["replays"])) == (5, 0, 5)
    assert {one["worker"]["accepted"] for one in before["replays"]} == {True}
    assert states(dead) == {"new": 8}

    done = answer(replay(*fix, "--actor", "maria"))
    assert done["sent"] == 5
    assert {one["landed"] for one in done["replays"]} == {"events"}
    assert [one["event_id"] for one in done["replays"]] == [one["event_id"] for one in before["replays"]]
    assert settle(dead, 25) == {"accepted": 25, "gold": 17, "dead_letters": 8, "duplicates": 0, "in_flight": 0}
    assert states(dead) == {"new": 3, "replayed": 5}
    exact(dead)

    ids = [one["event_id"] for one in done["replays"]]
    landed = rows(
        dead,
        "SELECT e.amount, e.account_id, e.received_at = d.received_at, JSON_EXTRACT(e.data, '$.exact'), replay_event_id "
        "FROM events_view AS e JOIN events_dead_letter_view AS d ON d.replay_event_id = e.event_id WHERE e.event_id IN %s",
        ids,
    )
    assert sorted(row[4] for row in landed) == sorted(ids)
    assert {(str(row[0]), row[1], row[2], row[3]) for row in landed} == {("12.5000", "acme", 1, "1234567890123456789")}
    ((actor, detail),) = rows(dead, "SELECT actor, detail FROM audit_log WHERE action = %s", "dead_letters.replay")
    assert actor == "maria"
    assert json.loads(detail)["changed"] == ["$['data']['amount']", "$['headers']['type']"]
    assert "12.5" not in detail

    again = answer(replay(*fix))
    assert again["selected"] == 0
    assert answer(replay(*fix, "--state", "replayed"))["sent"] == 5
    assert settle(dead, 30) == {"accepted": 30, "gold": 17, "dead_letters": 8, "duplicates": 5, "in_flight": 0}
    exact(dead)


def test_what_was_not_corrected_enough_is_a_dead_letter_again_and_can_be_replayed_itself(dead, replay):
    tried = answer(replay("--reason", "invalid_field", "--set", "$.data.amount=1", "--dry-run", "-o", "json"), 1)
    assert {one["worker"]["reason"] for one in tried["replays"]} == {"invalid_field"}
    foretold = {one["event_id"]: f"{one['worker']['reason']}: {one['worker']['detail']}" for one in tried["replays"]}
    first = replay("--reason", "invalid_field", "--set", "$.data.amount=1", "-o", "json")
    document = answer(first, 1)
    landed = {one["event_id"]: one["landed"].partition(": ")[2] for one in document["replays"]}
    assert landed == foretold, "the dry run has said what came"
    assert settle(dead, 23) == {"accepted": 23, "gold": 12, "dead_letters": 11, "duplicates": 0, "in_flight": 0}

    path = "$.headers['X-Message-Stamp-Holded\\\\Shared\\\\ContextStamp']"
    value = json.dumps({"accountId": "acme", "userId": "u"})
    second = answer(replay("--reason", "invalid_field", "--set", f"{path}={value}", "-o", "json"))
    assert [one["landed"] for one in second["replays"]] == ["events"] * 3
    assert settle(dead, 26) == {"accepted": 26, "gold": 15, "dead_letters": 11, "duplicates": 0, "in_flight": 0}
    exact(dead)


def test_a_sender_that_sends_the_same_event_again_is_a_duplicate_before_and_after(dead, replay, collector, tmp_path):
    file = tmp_path / "again.json"
    file.write_text(json.dumps(BAD_TYPES))
    answer(holded(dead, "send", file, "--url", collector, "--json"))
    assert settle(dead, 25) == {"accepted": 25, "gold": 12, "dead_letters": 8, "duplicates": 5, "in_flight": 0}
    answer(replay("--reason", "invalid_type", "--set", f"$.headers.type={GOOD}", "-o", "json"))
    answer(holded(dead, "send", file, "--url", collector, "--json"))
    assert settle(dead, 35) == {"accepted": 35, "gold": 17, "dead_letters": 8, "duplicates": 10, "in_flight": 0}
    exact(dead)


def test_killed_between_send_and_mark_and_run_again_it_has_landed_once(dead, replay, environment, kafka, topics):
    fix = ("--reason", "invalid_type", "--set", f"$.headers.type={GOOD}")
    command = [str(Path(sys.executable).with_name("holded")), "replay", *fix]
    variables = {
        "HOLDED_MYSQL__HOST": dead.host,
        "HOLDED_MYSQL__PORT": str(dead.port),
        "HOLDED_MYSQL__DATABASE": dead.database,
        "HOLDED_MYSQL__USERNAME": dead.username,
        "HOLDED_MYSQL__PASSWORD": dead.password.get_secret_value(),
    }
    before = raw_records(kafka, topics)
    with gold(dead) as cursor:
        # What marks a letter as sent writes to the audit log in its transaction, what comes before does not.
        cursor.execute("LOCK TABLES audit_log READ")
        process = subprocess.Popen(command, env=os.environ | environment | variables)
        try:
            wait_until(lambda: raw_records(kafka, topics) == before + 5, timeout=30, what="all five are in raw")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        cursor.execute("UNLOCK TABLES")
    wait_until(lambda: states(dead) == {"new": 3, "pending": 5}, what="sent and not marked")

    # Other corrections come too late: what was sent is what is stored.
    done = answer(replay(*fix, "--set", "$.data.amount=999", "-o", "json"))
    assert [(one["stored_before"], one["landed"]) for one in done["replays"]] == [(True, "events")] * 5
    assert settle(dead, 30) == {"accepted": 30, "gold": 17, "dead_letters": 8, "duplicates": 5, "in_flight": 0}
    assert states(dead) == {"new": 3, "replayed": 5}
    assert rows(dead, "SELECT COUNT(*) FROM events WHERE amount = %s", 999) == [(0,)]
    exact(dead)


def test_letters_are_selected_by_number_type_account_time_and_state(mysql: MySQLSettings):
    SinkWriter(mysql).write(
        letters=[
            letter(1, type=r"Holded\A\PaidEvent", account_id="acme", reason="invalid_field", payload=b"{}"),
            letter(2, type=r"Holded\B_x\PaidEvent", account_id="other", payload=b"{}"),
            letter(3, type=None, payload=b"{}"),
        ]
    )
    with gold(mysql) as cursor:
        cursor.execute("UPDATE events_dead_letter SET failed_at = '2026-01-0%s' WHERE id = %s", (1, 1))

    def numbers(*arguments: object) -> list[int]:
        return [
            one["id"] for one in answer(holded(mysql, "replay", "--list", "-o", "json", *arguments))["dead_letters"]
        ]

    (first, second, third) = numbers()
    assert numbers("--id", second, "--id", third) == [second, third]
    assert len(numbers("--type", r"*\PaidEvent")) == 2
    assert len(numbers("--type", r"Holded\B_x*")) == 1
    assert numbers("--type", r"Holded\A_*") == []
    assert len(numbers("--account", "acme", "--reason", "invalid_field")) == 1
    assert numbers("--until", "2026-01-02") == [first]
    assert numbers("--since", "2026-01-02") == [second, third]
    assert numbers("--state", "replayed") == []
    assert numbers("--limit", 1) == [first]


def test_discarded_letters_are_passed_over_audited_and_never_gone(mysql: MySQLSettings):
    SinkWriter(mysql).write(letters=[letter(number, payload=b"{}", reason="invalid_field") for number in range(3)])
    SinkWriter(mysql, partition=1).write(letters=[letter(9, payload=b"{}")])
    with gold(mysql) as cursor:
        cursor.execute("UPDATE events_dead_letter SET replay_state = 'pending' ORDER BY id LIMIT 1")
        cursor.execute(
            "INSERT INTO dead_letter_replays (dead_letter_id, event_id, payload, patches, requested_by)"
            " SELECT id, REVERSE(identity), payload, 0, 'x' FROM events_dead_letter WHERE replay_state = 'pending'"
        )
    choice = ("replay", "--reason", "invalid_field", "--discard", "-o", "json")

    tried = answer(holded(mysql, *choice, "--dry-run"))
    assert (tried["selected"], len(tried["discarded"])) == (2, 2), "what is pending may be on its way"
    assert states(mysql) == {"pending": 1, "new": 3}
    done = answer(holded(mysql, *choice, "--actor", "maria"))
    assert done["discarded"] == tried["discarded"]
    assert states(mysql) == {"pending": 1, "discarded": 2, "new": 1}
    ((actor, detail),) = rows(mysql, "SELECT actor, detail FROM audit_log WHERE action = %s", "dead_letters.discard")
    assert (actor, json.loads(detail)) == ("maria", {"dead_letters": done["discarded"]})

    listed = answer(holded(mysql, "replay", "--list", "-o", "json"))["dead_letters"]
    assert {one["id"] for one in listed}.isdisjoint(done["discarded"])
    assert answer(holded(mysql, *choice))["selected"] == 0
    again = answer(holded(mysql, "replay", "--list", "--state", "discarded", "-o", "json"))
    assert [one["id"] for one in again["dead_letters"]] == done["discarded"]
    assert differences(mysql) == {}
    for also in (("--list",), ("--set", "$.data.x=1"), ("--state", "pending")):
        result = holded(mysql, *choice, *also)
        assert result.exit_code == 2
        assert "--discard goes with" in complaint(result)


def test_without_a_choice_or_without_kafka_nothing_is_sent(mysql: MySQLSettings):
    SinkWriter(mysql).write(letters=[letter(1, payload=b"{}")])
    nothing = holded(mysql, "replay", "--set", "$.data.x=1")
    assert nothing.exit_code == 2
    assert "say which dead letters" in complaint(nothing)
    nowhere = holded(mysql, "replay", "--all")
    assert nowhere.exit_code == 1
    assert "kafka" in complaint(nowhere).lower()
    wrong = holded(mysql, "replay", "--all", "--dry-run", "--set", "amount=1")
    assert wrong.exit_code == 2
    assert "expected PATH=VALUE" in complaint(wrong)
    assert states(mysql) == {"new": 1}


def test_kafka_that_is_away_leaves_letters_pending_until_it_is_back(dead, environment, replay):
    away = environment | {"HOLDED_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    fix = ("replay", "--reason", "invalid_type", "--set", f"$.headers.type={GOOD}")
    result = holded(dead, *fix, **away)
    assert result.exit_code == 1
    assert "run it again" in complaint(result)
    assert states(dead) == {"new": 3, "pending": 5}
    assert answer(replay("--state", "pending", "--all", "-o", "json"))["sent"] == 5
    assert settle(dead, 25)["gold"] == 17
    exact(dead)
