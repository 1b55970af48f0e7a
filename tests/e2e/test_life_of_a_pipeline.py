"""One pipeline from `kubectl apply` to `kubectl delete` and back: what a user does, in that order.

The tests share the pipeline and build on one another; each leaves it Ready.
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest

from holded_contracts.canary import CANARY_TYPE
from holded_contracts.settings import MySQLSettings
from tests.support.cluster import Pipeline
from tests.support.gold import check_exactly_once, check_summaries, rows
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

EVENTS = Path(__file__).parents[1] / "data" / "events.json"
COMPONENTS = ("collector", "worker", "sink")
TOPICS: dict[str, dict[str, Any]] = {
    "raw": {"name": "life.raw", "partitions": 2},
    "silver": {"name": "life.silver", "partitions": 2},
    "deadLetter": {"name": "life.dead.letter"},
    "analytics": {"name": "life.analytics", "partitions": 2},
    "ledger": {"name": "life.ledger"},
}


class Acknowledged:
    """The ids of every event that got its 2xx: what the guarantees are about."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.count = 0

    def add(self, answer: httpx.Response) -> None:
        results = [result for result in answer.json()["results"] if result["status"] == "accepted"]
        self.ids |= {result["event_id"] for result in results}
        self.count += len(results)


@pytest.fixture(scope="module")
def acknowledged() -> Acknowledged:
    return Acknowledged()


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    found = Pipeline(stack.cluster, "life", stack.namespace)
    yield found
    stack.cluster.kubectl("delete", "hp", found.name, "-n", found.namespace, "--ignore-not-found", "--timeout=90s")


@pytest.fixture(scope="module")
def gold(stack: Stack) -> Iterator[MySQLSettings]:
    with stack.gold() as settings:
        yield settings


def resource(stack: Stack, pipeline: Pipeline, **spec: Any) -> dict[str, Any]:
    return stack.resource(pipeline.name, topics=TOPICS, **spec)


def event(number: int, kind: str = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent") -> Any:
    stamp = {"accountId": f"account-{number % 7}", "userId": f"user-{number % 3}"}
    headers = {"type": kind, "targetSubscription": "Wallet", r"X-Message-Stamp-Holded\Shared\NewContextStamp": stamp}
    data = {"id": f"tx-{number}", "amount": 10.25, "currency": "EUR", "occurredAt": "2026-11-20T10:00:00Z"}
    return {"data": data, "headers": headers}


def ledger(pipeline: Pipeline) -> dict[str, Any]:
    found: dict[str, Any] = pipeline.read().get("status", {}).get("ledger") or {}
    return found


def wait_settled(pipeline: Pipeline, acknowledged: Acknowledged) -> dict[str, Any]:
    """Wait until the resource's ledger accounts for every acknowledged event."""

    def settled() -> dict[str, Any] | None:
        found = ledger(pipeline)
        if found.get("inFlight") == 0 and found["accepted"] >= acknowledged.count:
            return found
        raise AssertionError(f"{acknowledged.count} acknowledged; ledger: {found}")

    found = wait_until(settled, timeout=150, interval=1, what="the ledger balances")
    assert found is not None
    return found


def generations(pipeline: Pipeline) -> dict[str, str]:
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for item in pipeline.owned()
        if item["kind"] != "Pod"
    }


def pod_names(pipeline: Pipeline, component: str) -> set[str]:
    return {f"{pod['metadata']['name']}/{pod['metadata']['uid']}" for pod in pipeline.pods(component)}


def restarts(pipeline: Pipeline) -> dict[str, list[int]]:
    return {
        component: [status["restartCount"] for pod in pipeline.pods(component) for status in pod_containers(pod)]
        for component in COMPONENTS
    }


def pod_containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pod["status"].get("containerStatuses", [])
    return found


def test_apply_makes_a_ready_pipeline(stack: Stack, pipeline: Pipeline) -> None:
    stack.cluster.apply(resource(stack, pipeline))
    status = pipeline.wait_ready()["status"]
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions.pop("EventsFlow") in ("Unknown", "True"), "a canary may have arrived already"
    parts = ("Topics", "Schemas", "Database", "Collector", "Worker", "Sink")
    assert conditions == {"Ready": "True"} | {f"{part}Ready": "True" for part in parts}
    assert {topic["name"]: topic["partitions"] for topic in status["topics"]}["life.raw"] == 2
    assert {subject["name"] for subject in status["subjects"]} >= {"life.raw-value", "life.silver-value"}
    columns = stack.cluster.kubectl("get", "hp", pipeline.name, "-n", pipeline.namespace).splitlines()
    assert columns[0].split() == ["NAME", "READY", "PHASE", "LAG", "DEADLETTERS", "LATENCY", "AGE"]
    assert columns[1].split()[:3] == ["life", "True", "Running"]


def test_events_land_exactly_once(pipeline: Pipeline, gold: MySQLSettings, acknowledged: Acknowledged) -> None:
    events = json.loads(EVENTS.read_text("utf-8"))
    with pipeline.collector() as url:
        for start in range(0, len(events), 50):
            answer = httpx.post(f"{url}/collect", json=events[start : start + 50], timeout=60)
            assert answer.status_code in (202, 207), answer.text
            acknowledged.add(answer)
    found = wait_settled(pipeline, acknowledged)
    assert found["accepted"] == acknowledged.count == found["gold"] + found["deadLetters"] + found["duplicates"]
    assert found["duplicates"] == acknowledged.count - len(acknowledged.ids) > 0
    assert found["deadLetters"] > 0
    check_exactly_once(gold, acknowledged.ids)
    assert check_summaries(gold) > 40
    contexts = {row[0] for row in rows(gold, "SELECT DISTINCT business_context FROM events")}
    assert {"financial_operations", "product_management", "user_activity"} <= contexts


def test_canaries_tell_the_latency_and_are_in_no_figure_of_events(
    pipeline: Pipeline, gold: MySQLSettings, acknowledged: Acknowledged
) -> None:
    def measured() -> int | None:
        status = pipeline.read()["status"]
        flows = {entry["type"]: entry["status"] for entry in status["conditions"]}.get("EventsFlow")
        return status["latency"]["canaryMilliseconds"] if flows == "True" else None

    latency = wait_until(measured, timeout=120, interval=1, what="a canary has arrived")
    assert latency is not None
    assert latency < 30_000
    assert rows(gold, "SELECT canaries > 0 FROM ledger") == [(1,)]
    assert rows(gold, "SELECT COUNT(*) FROM events WHERE type = %s", CANARY_TYPE) == [(0,)]
    assert wait_settled(pipeline, acknowledged)["accepted"] == acknowledged.count


def test_nothing_is_written_while_nothing_changes(pipeline: Pipeline, stack: Stack) -> None:
    before = generations(pipeline)
    stack.wait_for_reconciles(3)
    assert generations(pipeline) == before


def test_a_rule_edit_rolls_only_the_worker(pipeline: Pipeline, gold: MySQLSettings, acknowledged: Acknowledged) -> None:
    before = {part: pod_names(pipeline, part) for part in COMPONENTS}
    pipeline.patch({"worker": {"classification": {"rules": [{"context": "wallet_special", "domains": ["Wallet"]}]}}})
    pipeline.wait_ready()
    with pipeline.collector() as url:
        acknowledged.add(httpx.post(f"{url}/collect", json=[event(n) for n in range(1000, 1020)], timeout=60))
    wait_settled(pipeline, acknowledged)
    assert rows(gold, "SELECT COUNT(*) FROM events WHERE business_context = %s", "wallet_special") == [(20,)]
    after = {part: pod_names(pipeline, part) for part in before}
    assert after["collector"] == before["collector"]
    assert after["sink"] == before["sink"]
    assert after["worker"] != before["worker"]


def test_partitions_grow(pipeline: Pipeline, acknowledged: Acknowledged, gold: MySQLSettings) -> None:
    pipeline.patch({"topics": {"raw": {"partitions": 4}, "silver": {"partitions": 4}}})
    status = pipeline.wait_ready()["status"]
    assert {topic["name"]: topic["partitions"] for topic in status["topics"]}["life.raw"] == 4
    with pipeline.collector() as url:
        acknowledged.add(httpx.post(f"{url}/collect", json=[event(n) for n in range(2000, 2400)], timeout=60))
    wait_settled(pipeline, acknowledged)
    check_exactly_once(gold, acknowledged.ids)


def test_no_container_restarted_so_far(pipeline: Pipeline) -> None:
    assert restarts(pipeline) == {component: [0] for component in COMPONENTS}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_pod_loses_and_doubles_nothing(
    stack: Stack, pipeline: Pipeline, gold: MySQLSettings, acknowledged: Acknowledged, component: str
) -> None:
    first = {"collector": 10_000, "worker": 20_000, "sink": 30_000}[component]
    stop, killed = threading.Event(), threading.Event()
    problems: list[BaseException] = []

    def traffic(url: str) -> None:
        try:
            number = first
            with httpx.Client(timeout=15) as client:
                while not stop.is_set() and number < first + 5000:
                    batch = [event(n) for n in range(number, number + 20)]
                    try:
                        answer = client.post(f"{url}/collect", json=batch)
                    except httpx.TransportError:
                        stop.wait(0.2)
                        continue  # no answer: the same events are sent again, as a client would
                    if answer.status_code == 202:
                        acknowledged.add(answer)
                        number += 20
                        if number > first + 200:
                            killed.set()
                    stop.wait(0.05)
        except BaseException as error:  # noqa: BLE001 -- reported by the test, not by a thread's stderr
            problems.append(error)

    with pipeline.collector() as url:
        sender = threading.Thread(target=traffic, args=(url,))
        sender.start()
        try:
            assert killed.wait(60), "traffic flows before the kill"
            stack.cluster.sigkill(f"bin/holded-{component}")
            wait_until(lambda: restarts(pipeline)[component] == [1], timeout=90, what="its container is started anew")
            before = acknowledged.count
            wait_until(lambda: acknowledged.count > before + 200, timeout=120, what="traffic flows after the kill")
        finally:
            stop.set()
            sender.join(30)
    assert not problems
    pipeline.wait_ready()
    wait_settled(pipeline, acknowledged)
    check_exactly_once(gold, acknowledged.ids)
    check_summaries(gold)


def test_drift_is_repaired_within_a_minute(stack: Stack, pipeline: Pipeline) -> None:
    stack.cluster.kubectl("delete", "service", "life-collector", "-n", pipeline.namespace)
    stack.cluster.kubectl("scale", "deployment", "life-collector", "--replicas=3", "-n", pipeline.namespace)
    stack.kafka_topic_config("life.raw", "retention.ms=1000")

    def repaired() -> bool:
        names = {f"{item['kind']}/{item['metadata']['name']}" for item in pipeline.owned()}
        deployment = stack.cluster.get("deployment", "life-collector", pipeline.namespace)
        return (
            "Service/life-collector" in names
            and deployment["spec"]["replicas"] == 1
            and "retention.ms=604800000" in stack.kafka_topic_config("life.raw")
        )

    wait_until(repaired, timeout=60, interval=1, what="Service, replicas and topic config are as the spec says")
    pipeline.wait_ready()


def test_suspend_stops_the_pods_and_resume_brings_them_back(pipeline: Pipeline) -> None:
    pipeline.patch({"suspend": True})
    wait_until(
        lambda: not [pod for part in COMPONENTS for pod in pipeline.pods(part)],
        timeout=120,
        interval=1,
        what="no pod is left",
    )
    wait_until(lambda: pipeline.read()["status"]["phase"] == "Suspended", timeout=60, what="phase is Suspended")
    pipeline.patch({"suspend": False})
    pipeline.wait_ready()


def test_no_container_restarted_since(pipeline: Pipeline) -> None:
    assert restarts(pipeline) == {component: [0] for component in COMPONENTS}


def test_delete_leaves_only_what_retain_keeps_and_a_new_install_goes_on(
    stack: Stack, pipeline: Pipeline, gold: MySQLSettings, acknowledged: Acknowledged
) -> None:
    before = rows(gold, "SELECT COUNT(*), SUM(quality_score) FROM events")
    stack.cluster.kubectl("delete", "hp", pipeline.name, "-n", pipeline.namespace, "--timeout=90s", timeout=120)
    wait_until(lambda: not pipeline.owned(), timeout=120, interval=1, what="every owned object is gone")
    assert "retention.ms" in stack.kafka_topic_config("life.raw"), "Retain keeps the topic"
    assert rows(gold, "SELECT COUNT(*), SUM(quality_score) FROM events") == before, "Retain keeps the rows"

    stack.cluster.apply(resource(stack, pipeline))
    # The topic has grown in the meantime and a topic can't shrink: the operator says so instead of trying.
    refused = pipeline.wait_condition("TopicsReady", "False")
    assert "life.raw" in refused["message"]
    grown = {name: topic | ({"partitions": 4} if name in ("raw", "silver") else {}) for name, topic in TOPICS.items()}
    stack.cluster.apply(stack.resource(pipeline.name, topics=grown))
    pipeline.wait_ready()
    with pipeline.collector() as url:
        acknowledged.add(httpx.post(f"{url}/collect", json=[event(n) for n in range(50_000, 50_020)], timeout=60))
    found = wait_settled(pipeline, acknowledged)
    assert found["accepted"] >= acknowledged.count
    check_exactly_once(gold, acknowledged.ids)


def test_delete_policies_remove_topics_subjects_and_database(
    stack: Stack, pipeline: Pipeline, gold: MySQLSettings
) -> None:
    pipeline.patch({"deletionPolicy": {"topics": "Delete", "schemas": "Delete", "database": "Delete"}})
    pipeline.wait_ready()
    stack.cluster.kubectl("delete", "hp", pipeline.name, "-n", pipeline.namespace, "--timeout=90s", timeout=120)
    wait_until(lambda: not pipeline.owned(), timeout=120, interval=1, what="every owned object is gone")
    assert not [topic for topic in stack.kafka_topics() if topic.startswith("life.")]
    assert not [subject for subject in stack.subjects() if subject.startswith("life.")]
    with pytest.raises(pymysql.OperationalError, match=f"Unknown database '{gold.database}'"):
        rows(gold, "SELECT 1")
