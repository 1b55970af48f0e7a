"""Every status of POST /collect and every other path, with a publisher that the test controls."""

import asyncio
import gzip
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from holded_collector.api import EXAMPLE_EVENT, CollectResult, Problem
from holded_contracts.topics import Artefact
from holded_contracts.wire import decode, parsed_schema, split

Running = Callable[..., AbstractAsyncContextManager[tuple[Any, httpx.AsyncClient]]]
BAD: dict[str, object] = {"headers": {}, "data": {}}


async def post(client: httpx.AsyncClient, events: object, **headers: str) -> httpx.Response:
    return await client.post("/collect", content=json.dumps(events).encode(), headers=headers)


def assert_problem(response: httpx.Response, status: int, error: str) -> Problem:
    assert response.status_code == status
    assert set(response.json()) == {"error", "detail"}
    problem = Problem.model_validate(response.json())
    assert problem.error == error
    return problem


async def test_202_all_accepted_and_the_record_carries_the_original_bytes(running: Running) -> None:
    async with running() as (rig, client):
        payload = json.dumps(EXAMPLE_EVENT, indent=2).encode()
        response = await client.post("/collect", content=b"[" + payload + b"]")
        assert response.status_code == 202
        [result] = CollectResult.model_validate(response.json()).results
        assert response.json()["results"][0] == {
            "index": 0,
            "status": "accepted",
            "event_id": str(result.event_id),
            "errors": [],
        }
        [(key, value)] = rig.publisher.records
        schema = parsed_schema(Artefact.RAW)
        record = decode(value, schema, schema)
        assert split(value) == rig.schema_id.id
        assert uuid.UUID(bytes=key) == uuid.UUID(bytes=record["event_id"]) == result.event_id
        assert record["payload"] == payload
        assert record["type"] == EXAMPLE_EVENT["headers"]["type"]
        assert record["source"] is None


async def test_202_for_an_empty_array(running: Running) -> None:
    async with running() as (rig, client):
        response = await post(client, [])
        assert response.status_code == 202
        assert response.json() == {"accepted": 0, "rejected": 0, "results": []}
        assert rig.publisher.records == []


async def test_207_some_rejected_in_the_order_sent(running: Running) -> None:
    async with running() as (rig, client):
        response = await post(client, [BAD, EXAMPLE_EVENT, 5])
        assert response.status_code == 207
        result = CollectResult.model_validate(response.json())
        assert (result.accepted, result.rejected) == (1, 2)
        assert [(one.index, one.status) for one in result.results] == [
            (0, "rejected"),
            (1, "accepted"),
            (2, "rejected"),
        ]
        assert response.json()["results"][0] == {
            "index": 0,
            "status": "rejected",
            "event_id": None,
            "errors": [{"field": "headers.type", "message": "is missing; it must be a string"}],
        }
        assert len(rig.publisher.records) == 1
        assert rig.metric("holded_collector_events_total", outcome="accepted") == 1
        assert rig.metric("holded_collector_events_total", outcome="rejected") == 2
        assert rig.metric("holded_collector_requests_total", status="207") == 1


async def test_422_all_rejected_needs_no_kafka(running: Running) -> None:
    async with running() as (rig, client):
        rig.publisher.failure = "must not be asked"
        response = await post(client, [BAD, []])
        assert response.status_code == 422
        assert CollectResult.model_validate(response.json()).rejected == 2


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"", "not_json"), (b"no json", "not_json"), (b"{}", "not_an_array"), (b'[{"headers":', "not_json")],
)
async def test_400_not_json_or_no_array(running: Running, body: bytes, error: str) -> None:
    async with running() as (_, client):
        assert_problem(await client.post("/collect", content=body), 400, error)


async def test_gzip_is_taken_and_400_if_it_is_none(running: Running) -> None:
    async with running() as (rig, client):
        body = gzip.compress(json.dumps([EXAMPLE_EVENT]).encode())
        response = await client.post("/collect", content=body, headers={"Content-Encoding": "gzip"})
        assert response.status_code == 202
        assert rig.metric("holded_collector_body_bytes_total") == len(body)
        response = await client.post("/collect", content=b"[]", headers={"Content-Encoding": "gzip"})
        assert_problem(response, 400, "not_gzip")


async def test_415_for_another_encoding(running: Running) -> None:
    async with running() as (_, client):
        assert_problem(await post(client, [], **{"Content-Encoding": "br"}), 415, "unsupported_encoding")


async def test_413_for_a_body_over_the_limit_however_it_comes(running: Running) -> None:
    async with running(limits={"max_body_bytes": 2048}) as (rig, client):
        large = json.dumps([{"headers": {"type": "T"}, "data": {"a": "x" * 4096}}]).encode()

        async def chunked() -> AsyncIterator[bytes]:
            for start in range(0, len(large), 512):
                yield large[start : start + 512]

        assert_problem(await client.post("/collect", content=large), 413, "body_too_large")
        assert_problem(await client.post("/collect", content=chunked()), 413, "body_too_large")
        bomb = gzip.compress(b"[" + b" " * 1_000_000 + b"]")
        assert len(bomb) < 2048
        response = await client.post("/collect", content=bomb, headers={"Content-Encoding": "gzip"})
        assert_problem(response, 413, "body_too_large")
        assert rig.publisher.records == []


async def test_413_for_too_many_events(running: Running) -> None:
    async with running(limits={"max_events_per_request": 2}) as (_, client):
        assert_problem(await post(client, [EXAMPLE_EVENT] * 3), 413, "too_many_events")


async def test_401_unless_the_key_is_known_and_the_source_travels(running: Running, tmp_path: Path) -> None:
    (tmp_path / "erp").write_text("s3cret-key\n")
    async with running(authentication="ApiKey", api_keys_dir=str(tmp_path)) as (rig, client):
        for headers in ({}, {"X-Api-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
            response = await post(client, [EXAMPLE_EVENT], **headers)
            assert_problem(response, 401, "unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"
        for headers in ({"X-Api-Key": "s3cret-key"}, {"Authorization": "Bearer s3cret-key"}):
            assert (await post(client, [EXAMPLE_EVENT], **headers)).status_code == 202
        schema = parsed_schema(Artefact.RAW)
        assert {decode(value, schema, schema)["source"] for _, value in rig.publisher.records} == {"erp"}


async def test_503_when_a_delivery_fails_and_nothing_is_claimed(running: Running) -> None:
    async with running() as (rig, client):
        rig.publisher.failure = "broker said no"
        response = await post(client, [EXAMPLE_EVENT, BAD])
        problem = assert_problem(response, 503, "kafka_unavailable")
        assert "broker said no" in problem.detail
        assert "Send the whole request again" in problem.detail
        assert int(response.headers["retry-after"]) >= 1
        assert rig.metric("holded_collector_events_total", outcome="accepted") == 0
        assert rig.metric("holded_collector_events_total", outcome="unconfirmed") == 1


async def test_503_early_while_kafka_or_schema_id_are_away(running: Running) -> None:
    async with running() as (rig, client):
        rig.publisher.away = "Kafka at broker:9092 cannot take events"
        response = await post(client, [EXAMPLE_EVENT])
        assert "broker:9092" in assert_problem(response, 503, "kafka_unavailable").detail
        assert response.headers["retry-after"]
        rig.publisher.away = None
        rig.schema_id.id = None
        assert_problem(await post(client, [EXAMPLE_EVENT]), 503, "schema_id_unknown")
        rig.schema_id.id = 1
        assert (await post(client, [EXAMPLE_EVENT])).status_code == 202


async def test_503_at_once_beyond_the_requests_in_flight_and_202_after(running: Running) -> None:
    async with running(limits={"max_requests_in_flight": 2}) as (rig, client):
        rig.publisher.gate.clear()
        rig.publisher.expected = 2
        held = [asyncio.create_task(post(client, [EXAMPLE_EVENT])) for _ in range(2)]
        await asyncio.wait_for(rig.publisher.full.wait(), timeout=5)
        assert rig.metric("holded_collector_requests_in_flight") == 2
        response = await post(client, [EXAMPLE_EVENT])
        assert_problem(response, 503, "overloaded")
        assert response.headers["retry-after"] == "1"
        rig.publisher.gate.set()
        assert [(await task).status_code for task in held] == [202, 202]
        assert (await post(client, [EXAMPLE_EVENT])).status_code == 202
        assert rig.metric("holded_collector_requests_in_flight") == 0


async def test_no_answer_before_the_publisher_has_all_events(running: Running) -> None:
    async with running() as (rig, client):
        rig.publisher.gate.clear()
        request = asyncio.create_task(post(client, [EXAMPLE_EVENT]))
        done, _ = await asyncio.wait([request], timeout=0.2)
        assert not done
        rig.publisher.gate.set()
        assert (await request).status_code == 202


async def test_a_large_body_is_judged_the_same(running: Running) -> None:
    async with running() as (rig, client):
        events = [{"headers": {"type": "T"}, "data": {"n": n, "pad": "x" * 300}} for n in range(1000)]
        response = await post(client, [*events, BAD])
        assert response.status_code == 207
        assert response.json()["accepted"] == len(rig.publisher.records) == 1000
        assert [result["index"] for result in response.json()["results"]] == list(range(1001))
        assert len({key for key, _ in rig.publisher.records}) == 1000


async def test_500_for_a_bug_is_an_answer_with_an_id_and_claims_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as (rig, client):

        async def explode(*_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(rig.publisher, "publish", explode)
        response = await post(client, [EXAMPLE_EVENT])
        assert_problem(response, 500, "internal_error")
        assert response.headers["x-request-id"]
        assert rig.metric("holded_collector_requests_total", status="500") == 1
        assert rig.metric("holded_collector_requests_in_flight") == 0


@pytest.mark.parametrize(("path", "method", "status"), [("/nothing", "GET", 404), ("/collect", "GET", 405)])
async def test_unknown_paths_and_methods_get_the_same_form_of_error(
    running: Running, path: str, method: str, status: int
) -> None:
    async with running() as (_, client):
        response = await client.request(method, path)
        assert response.status_code == status
        assert "POST /collect" in Problem.model_validate(response.json()).detail


async def test_request_id_is_taken_from_the_client_or_made_up(running: Running) -> None:
    async with running() as (_, client):
        response = await post(client, [], **{"X-Request-Id": "order-17:a"})
        assert response.headers["x-request-id"] == "order-17:a"
        for bad in ("x" * 129, "a b", "é"):
            response = await client.post("/collect", content=b"[]", headers=[(b"X-Request-Id", bad.encode())])
            assert uuid.UUID(hex=response.headers["x-request-id"])


async def test_ready_says_why_not(running: Running, tmp_path: Path) -> None:
    async with running(authentication="ApiKey", api_keys_dir=str(tmp_path)) as (rig, client):
        assert "no API key" in assert_problem(await client.get("/ready"), 503, "not_ready").detail
        (tmp_path / "erp").write_text("key")
        response = await client.get("/ready")
        assert (response.status_code, response.json()) == (200, {"status": "ready"})
        rig.publisher.away = "no Kafka"
        assert assert_problem(await client.get("/ready"), 503, "not_ready").detail == "no Kafka"
        rig.publisher.away = None
        rig.schema_id.id = None
        assert assert_problem(await client.get("/ready"), 503, "not_ready").detail == "the registry is away"


async def test_while_draining_it_serves_but_is_not_ready_and_sends_clients_elsewhere(running: Running) -> None:
    async with running() as (rig, client):
        rig.lifecycle.draining = True
        assert "shutting down" in assert_problem(await client.get("/ready"), 503, "not_ready").detail
        response = await post(client, [EXAMPLE_EVENT])
        assert response.status_code == 202
        assert response.headers["connection"] == "close"
        assert (await client.get("/health")).status_code == 200


async def test_health_only_fails_when_a_restart_is_the_cure(running: Running) -> None:
    async with running() as (rig, client):
        rig.publisher.away = "no Kafka"
        rig.schema_id.id = None
        assert (await client.get("/health")).status_code == 200
        rig.publisher.dead = "fatal"
        assert_problem(await client.get("/health"), 503, "broken")


async def test_metrics_are_prometheus_text(running: Running) -> None:
    async with running() as (_, client):
        await post(client, [EXAMPLE_EVENT])
        response = await client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain")
        for line in (
            'holded_collector_requests_total{status="202"} 1.0',
            'holded_collector_events_total{outcome="accepted"} 1.0',
            "holded_collector_ack_seconds_count 1.0",
            "holded_collector_requests_in_flight 0.0",
        ):
            assert line in response.text.splitlines()


async def test_the_documented_contract_has_a_real_example(running: Running) -> None:
    async with running() as (_, client):
        assert (await client.get("/docs")).status_code == 200
        document = (await client.get("/openapi.json")).json()
        operation = document["paths"]["/collect"]["post"]
        examples = operation["requestBody"]["content"]["application/json"]["examples"]
        assert (await post(client, examples["one event"]["value"])).status_code == 202
        assert (await post(client, examples["a valid and an invalid event"]["value"])).status_code == 207
        assert set(operation["responses"]) == {
            "202",
            "207",
            "400",
            "401",
            "408",
            "413",
            "415",
            "422",
            "429",
            "431",
            "503",
        }
        CollectResult.model_validate(operation["responses"]["207"]["content"]["application/json"]["example"])


async def test_the_document_tells_how_to_send_a_key_where_one_is_asked_for(running: Running) -> None:
    for mode, security in (("Open", None), ("ApiKey", [{"bearer": []}, {"apiKey": []}])):
        async with running(authentication=mode) as (_, client):
            document = (await client.get("/openapi.json")).json()
            assert document["paths"]["/collect"]["post"].get("security") == security
            assert set(document["components"].get("securitySchemes", {})) == (
                {"bearer", "apiKey"} if security else set()
            )


async def test_neither_payload_nor_key_is_logged(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "erp").write_text("k3y-of-erp")
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    caplog.set_level(logging.DEBUG)
    async with running(authentication="ApiKey", api_keys_dir=str(tmp_path)) as (rig, client):
        secret_event = {"headers": {"type": 5}, "data": {"iban": "ES9121000418450200051332"}}
        headers = {"X-Api-Key": "k3y-of-erp", "X-Request-Id": "trace-me"}
        await post(client, [secret_event], **headers)
        await client.post("/collect", content=b'[{"iban": "ES9121000418450200051332"', headers=headers)
        await post(client, [EXAMPLE_EVENT], **{"X-Api-Key": "wr0ng-key"})
        rig.publisher.failure = "no"
        await post(client, [EXAMPLE_EVENT], **headers)
    structlog.reset_defaults()
    assert "trace-me" in caplog.text
    for hidden in ("k3y-of-erp", "wr0ng-key", "ES9121000418450200051332", "64b7f0c2a1e4d3b2c1a09f8e"):
        assert hidden not in caplog.text


async def test_429_for_a_key_that_sends_too_fast_and_the_other_keys_go_on(running: Running, tmp_path: Path) -> None:
    (tmp_path / "erp").write_text("key-erp")
    (tmp_path / "shop").write_text("key-shop")
    limit = {"events_per_second": 1, "burst": 2}
    async with running(authentication="ApiKey", api_keys_dir=str(tmp_path), rate_limit=limit) as (rig, client):
        assert (await post(client, [EXAMPLE_EVENT, BAD, 5, 5], **{"X-Api-Key": "key-erp"})).status_code == 207
        response = await post(client, [EXAMPLE_EVENT], **{"X-Api-Key": "key-erp"})
        assert_problem(response, 429, "rate_limited")
        assert response.headers["retry-after"] == "3"
        assert (await post(client, [EXAMPLE_EVENT], **{"X-Api-Key": "key-shop"})).status_code == 202
        assert len(rig.publisher.records) == 2


async def test_429_in_open_mode_counts_everybody_together(running: Running) -> None:
    async with running(rate_limit={"events_per_second": 1, "burst": 1}) as (_, client):
        assert (await post(client, [EXAMPLE_EVENT])).status_code == 202
        assert_problem(await post(client, [EXAMPLE_EVENT]), 429, "rate_limited")


async def test_events_that_kafka_did_not_confirm_cost_no_tokens(running: Running) -> None:
    async with running(rate_limit={"events_per_second": 1, "burst": 1}) as (rig, client):
        rig.publisher.failure = "time-out"
        assert (await post(client, [EXAMPLE_EVENT])).status_code == 503
        rig.publisher.failure = None
        assert (await post(client, [EXAMPLE_EVENT])).status_code == 202
