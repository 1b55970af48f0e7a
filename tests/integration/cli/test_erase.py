"""`holded erase` leaves nothing of an account or user in gold, and gold exact."""

import json

import pytest

from holded_contracts.settings import KafkaSettings, MySQLSettings, TopicNames
from holded_sink.io.maintenance import PartitionKeeper
from tests.integration.cli.filling import NOW, SinkWriter, answer, complaint, differences, holded, two_sinks_writing
from tests.integration.sink.harness import letter, silver
from tests.support.gold import gold, rows

pytestmark = pytest.mark.integration

ACCOUNT, USER = "company-1", "user-3"
EVENTS = [silver(number) for number in range(400)]
SUMMARIES = ("events_summary_hourly", "events_summary_daily")


def dead(number: int, account: str, user: str) -> dict:
    stamp = {"accountId": account, "userId": user}
    payload = json.dumps({"data": {}, "headers": {r"X-Message-Stamp-A\ContextStamp": stamp}}).encode()
    return letter(number, payload=payload, account_id=None)


LETTERS = [
    dead(1000, ACCOUNT, "someone"),
    dead(1001, "someone", USER),
    letter(1002, account_id=ACCOUNT),
    letter(1003, account_id="someone", payload=b"{}"),
    letter(None, payload=b'\xff{"accountId": "company-1", "userId": "user-3"'),
]


@pytest.fixture
def filled(mysql: MySQLSettings) -> MySQLSettings:
    """400 events of five accounts and eleven users over three days, their minute windows, five dead letters."""
    PartitionKeeper(mysql, actor="test", retention_days=0, today=NOW.date).run()
    SinkWriter(mysql).write(EVENTS, LETTERS)
    with gold(mysql) as cursor:
        cursor.execute(
            "INSERT INTO events_analytics (window_start, account_id, business_context, type, event_count, amount_sum, "
            "quality_sum, processed_at) SELECT DATE_FORMAT(occurred_at, '%Y-%m-%d %H:%i:00') AS bucket, "
            "COALESCE(account_id, '') AS account, business_context, type, COUNT(*), COALESCE(SUM(amount), 0), "
            "SUM(quality_score), '2026-11-23' FROM events GROUP BY bucket, account, business_context, type"
        )
    return mysql


def count(mysql: MySQLSettings, table: str, condition: str) -> int:
    return int(rows(mysql, f"SELECT COUNT(*) FROM {table} WHERE {condition} AND %s", 1)[0][0])


def windows_are_exact(mysql: MySQLSettings) -> None:
    kept = rows(mysql, "SELECT SUM(event_count), SUM(amount_sum), SUM(quality_sum) FROM events_analytics WHERE %s", 1)
    assert kept == rows(mysql, "SELECT COUNT(*), SUM(amount), SUM(quality_score) FROM events WHERE %s", 1)


@pytest.mark.parametrize("batch", [7, 1000])
def test_an_account_is_removed_from_every_table_and_the_rest_stays_exact(filled, batch):
    events = count(filled, "events", f"account_id = '{ACCOUNT}'")
    others = 400 - events
    tried = answer(holded(filled, "erase", "--account", ACCOUNT, "--dry-run", "-o", "json"))
    assert count(filled, "events", "TRUE") == 400
    assert rows(filled, "SELECT * FROM audit_log WHERE action LIKE %s", "erase%") == []

    done = answer(holded(filled, "erase", "--account", ACCOUNT, "--batch", batch, "--actor", "maria", "-o", "json"))
    assert done["removed"]["events"] == events > 50
    assert done["removed"]["events_dead_letter"] == 3
    assert {name: number for name, number in done["removed"].items() if number} == {
        name: number for name, number in tried["removed"].items() if number
    }
    for table in (*SUMMARIES, "events", "events_analytics", "events_dead_letter"):
        assert count(filled, table, f"account_id = '{ACCOUNT}'") == 0
    assert count(filled, "events", "TRUE") == others
    assert differences(filled) == {}
    windows_are_exact(filled)


@pytest.mark.parametrize("batch", [7, 1000])
def test_a_users_events_are_taken_out_of_buckets_that_others_share(filled, batch):
    events = count(filled, "events", f"user_id = '{USER}'")
    done = answer(holded(filled, "erase", "--user", USER, "--batch", batch, "-o", "json"))
    assert done["removed"]["events"] == events > 30
    assert done["removed"]["events_dead_letter"] == 2
    assert done["adjusted"]["events_summary_daily"] > 0
    assert count(filled, "events", f"user_id = '{USER}'") == 0
    assert differences(filled) == {}
    windows_are_exact(filled)


def test_the_audit_log_says_what_was_removed_where_and_not_whose(filled):
    done = answer(holded(filled, "erase", "--account", ACCOUNT, "--actor", "maria", "-o", "json"))
    (start, end) = rows(
        filled, "SELECT actor, action, detail FROM audit_log WHERE action LIKE %s ORDER BY id", "erase%"
    )
    assert (start[1], end[:2]) == ("erase.start", ("maria", "erase"))
    detail = json.loads(end[2])
    assert detail["removed"] == done["removed"]
    assert detail["digest"] == done["digest"]
    assert all(ACCOUNT not in row[2] for row in (start, end))


def test_copies_that_arrive_later_are_refused(filled):
    answer(holded(filled, "erase", "--account", ACCOUNT, "-o", "json"))
    SinkWriter(filled, partition=1).write(EVENTS, LETTERS)
    assert count(filled, "events", f"account_id = '{ACCOUNT}'") == 0
    assert count(filled, "events_dead_letter", "TRUE") == 2
    assert differences(filled) == {}


def test_erasing_twice_removes_nothing_more(filled):
    answer(holded(filled, "erase", "--user", USER, "-o", "json"))
    again = answer(holded(filled, "erase", "--user", USER, "-o", "json"))
    assert sum(again["removed"].values()) == sum(again["adjusted"].values()) == 0


def test_what_a_replay_stored_goes_with_its_dead_letter(filled):
    with gold(filled) as cursor:
        cursor.execute("SELECT id, identity FROM events_dead_letter WHERE account_id = 'someone'")
        ((number, identity),) = cursor.fetchall()
        payload = json.dumps({"headers": {r"X-Message-Stamp-A\ContextStamp": {"accountId": ACCOUNT}}})
        cursor.execute(
            "INSERT INTO dead_letter_replays (dead_letter_id, event_id, payload, patches, requested_by) VALUES (%s, %s, %s, 1, 'x')",
            (number, identity[::-1], payload),
        )
        cursor.execute("UPDATE events_dead_letter SET replay_state = 'pending' WHERE id = %s", (number,))
    done = answer(holded(filled, "erase", "--account", ACCOUNT, "-o", "json"))
    assert (done["removed"]["events_dead_letter"], done["removed"]["dead_letter_replays"]) == (4, 1)
    assert differences(filled) == {}


def test_days_whose_events_retention_dropped_lose_the_accounts_summaries_too(filled):
    PartitionKeeper(filled, actor="test", retention_days=1, today=lambda: NOW.date().replace(day=25)).run()
    assert count(filled, "events_summary_daily", f"account_id = '{ACCOUNT}' AND event_date < '2026-11-24'") > 0
    answer(holded(filled, "erase", "--account", ACCOUNT, "-o", "json"))
    for table in (*SUMMARIES, "events_analytics"):
        assert count(filled, table, f"account_id = '{ACCOUNT}'") == 0
    assert differences(filled) == {}


def test_gold_stays_exact_while_sinks_add_to_the_same_buckets(filled):
    # Nobody erases what is written now, but it falls into buckets from which something is erased.
    with two_sinks_writing(filled, user_id="somebody-else") as written:
        for number in range(11):
            answer(holded(filled, "erase", "--user", f"user-{number}", "--batch", 5, "-o", "json"))
            assert differences(filled) == {}
    assert count(filled, "events", "user_id <> 'somebody-else'") == 0
    assert sum(written) > 400
    assert differences(filled) == {}


def test_what_is_not_reached_is_printed_with_the_topics_retention(filled, kafka: KafkaSettings, topics: TopicNames):
    names = {f"HOLDED_TOPICS__{name.upper()}": value for name, value in topics.model_dump().items()}
    environment = {"HOLDED_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers, **names}
    done = answer(holded(filled, "erase", "--account", "nobody", "--dry-run", "-o", "json", **environment))
    assert f"Kafka topic {topics.raw}: keeps records 7 days" in done["not_reached"]
    text = holded(filled, "erase", "--account", "nobody", "--dry-run").stdout
    assert "retention.ms" in text
    assert "backups" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --account or --user"),
        (("--account", "a", "--user", "b"), "either --account or --user"),
        (("--account", " "), "an id is expected"),
    ],
)
def test_one_subject_is_needed(filled, arguments, said):
    result = holded(filled, "erase", *arguments)
    assert result.exit_code == 2
    assert said in complaint(result)
