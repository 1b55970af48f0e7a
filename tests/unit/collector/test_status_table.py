"""The table of answers to POST /collect; `pytest -v` on this file is its report.

431, and 408 for a head, are given before there is a request: test_guard.py has them.
"""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from holded_collector.api import EXAMPLE_EVENT

Running = Callable[..., AbstractAsyncContextManager[tuple[Any, httpx.AsyncClient]]]
BAD: dict[str, object] = {"headers": {}, "data": {}}
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "event-format.md"
BEFORE_A_REQUEST = {431}


async def slow() -> AsyncIterator[bytes]:
    yield b"["
    await asyncio.Event().wait()


async def kafka_fails(rig: Any, _: httpx.AsyncClient) -> None:
    rig.publisher.failure = "not enough replicas"


async def kafka_is_away(rig: Any, _: httpx.AsyncClient) -> None:
    rig.publisher.away = "Kafka is away"


async def registry_is_away(rig: Any, _: httpx.AsyncClient) -> None:
    rig.schema_id.id = None


async def bytes_are_held(rig: Any, _: httpx.AsyncClient) -> None:
    rig.other = rig.components.service.admission()  # kept, or it would be left at once
    rig.other.__enter__().hold(1024)


async def places_are_taken(rig: Any, _: httpx.AsyncClient) -> None:
    rig.other = rig.components.service.admission()
    rig.other.__enter__()


async def budget_is_spent(_: Any, client: httpx.AsyncClient) -> None:
    assert (await client.post("/collect", content=json.dumps([EXAMPLE_EVENT]))).status_code == 202


async def there_is_a_bug(rig: Any, _: httpx.AsyncClient) -> None:
    rig.publisher.publish = None


@dataclass
class Case:
    status: int
    error: str | None
    """The stable word; None where events have verdicts."""
    title: str
    body: Any = field(default_factory=lambda: [EXAMPLE_EVENT])
    headers: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    given: Callable[[Any, httpx.AsyncClient], Awaitable[None]] | None = None
    retry_after: bool = False

    def __str__(self) -> str:
        return f"{self.status} {self.error or 'verdicts'}: {self.title}"


GZIP = {"Content-Encoding": "gzip"}
KEYS = {"authentication": "ApiKey"}
CASES = [
    Case(202, None, "all events are in Kafka"),
    Case(202, None, "no events", body=[]),
    Case(202, None, "gzip", body=gzip.compress(json.dumps([EXAMPLE_EVENT]).encode()), headers=GZIP),
    Case(202, None, "a known key", headers={"X-Api-Key": "key-of-erp"}, settings=KEYS),
    Case(207, None, "some events are invalid", body=[EXAMPLE_EVENT, BAD]),
    Case(422, None, "all events are invalid", body=[BAD, 5]),
    Case(400, "not_json", "no JSON", body=b"[{"),
    Case(400, "not_an_array", "one event without brackets", body=EXAMPLE_EVENT),
    Case(400, "not_gzip", "gzip that is none", headers=GZIP),
    Case(401, "unauthorized", "no key", settings=KEYS),
    Case(401, "unauthorized", "a wrong key", headers={"Authorization": "Bearer wrong"}, settings=KEYS),
    Case(408, "body_timeout", "a slow body", body=slow, settings={"limits": {"body_timeout_seconds": 0.05}}),
    Case(413, "body_too_large", "a large body", body=b" " * 2000, settings={"limits": {"max_body_bytes": 1024}}),
    Case(
        413,
        "body_too_large",
        "a large body in gzip",
        body=gzip.compress(b" " * 2000),
        headers=GZIP,
        settings={"limits": {"max_body_bytes": 1024}},
    ),
    Case(413, "too_many_events", "many events", body=[BAD] * 3, settings={"limits": {"max_events_per_request": 2}}),
    Case(415, "unsupported_encoding", "brotli", headers={"Content-Encoding": "br"}),
    Case(
        429,
        "rate_limited",
        "over the rate",
        settings={"rate_limit": {"events_per_second": 1, "burst": 1}},
        given=budget_is_spent,
        retry_after=True,
    ),
    Case(500, "internal_error", "a bug", given=there_is_a_bug),
    Case(503, "kafka_unavailable", "Kafka does not confirm", given=kafka_fails, retry_after=True),
    Case(503, "kafka_unavailable", "Kafka is known to be away", given=kafka_is_away, retry_after=True),
    Case(503, "schema_id_unknown", "the registry never answered", given=registry_is_away, retry_after=True),
    Case(
        503,
        "overloaded",
        "too many requests in flight",
        settings={"limits": {"max_requests_in_flight": 1}},
        given=places_are_taken,
        retry_after=True,
    ),
    Case(
        503,
        "overloaded",
        "too many bytes in flight",
        settings={"limits": {"max_bytes_in_flight": 1024}},
        given=bytes_are_held,
        retry_after=True,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_answer(running: Running, tmp_path: Path, case: Case) -> None:
    (tmp_path / "erp").write_text("key-of-erp")
    async with running(api_keys_dir=str(tmp_path), **case.settings) as (rig, client):
        if case.given is not None:
            await case.given(rig, client)
        taken = len(rig.publisher.records)
        content = case.body() if callable(case.body) else case.body
        if isinstance(content, list | dict):
            content = json.dumps(content)
        response = await client.post("/collect", content=content, headers=case.headers)
        answer = response.json()
        assert response.status_code == case.status
        assert response.headers["x-request-id"]
        assert ("retry-after" in response.headers) is case.retry_after
        if case.error is None:
            assert answer["accepted"] == len(rig.publisher.records) - taken
            assert answer["accepted"] + answer["rejected"] == len(answer["results"])
        else:
            assert answer["error"] == case.error
            assert answer["detail"]
            assert len(rig.publisher.records) == taken


async def test_the_table_the_document_and_the_guide_name_the_same_statuses(running: Running) -> None:
    async with running() as (_, client):
        operation = (await client.get("/openapi.json")).json()["paths"]["/collect"]["post"]
    table = {case.status for case in CASES} | BEFORE_A_REQUEST
    assert {int(status) for status in operation["responses"]} == table - {500}
    assert {int(status) for status in re.findall(r"^\| (\d{3}) \|", GUIDE.read_text(), re.MULTILINE)} == table - {500}
