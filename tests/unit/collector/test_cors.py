"""What a browser is told about posting from another origin."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from holded_collector.api import EXAMPLE_EVENT

Running = Callable[..., AbstractAsyncContextManager[tuple[Any, httpx.AsyncClient]]]
SHOP = "https://shop.example.com"
BODY = json.dumps([EXAMPLE_EVENT])


async def preflight(client: httpx.AsyncClient, origin: str, headers: str = "x-api-key") -> httpx.Response:
    ask = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}
    return await client.options("/collect", headers=ask)


async def test_by_default_no_origin_is_allowed(running: Running) -> None:
    async with running() as (_, client):
        assert (await preflight(client, SHOP)).status_code == 405
        response = await client.post("/collect", content=BODY, headers={"Origin": SHOP})
        assert response.status_code == 202
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_a_preflight_allows_the_headers_that_carry_a_key(running: Running) -> None:
    async with running(cors={"allowed_origins": (SHOP,), "max_age_seconds": 60}) as (rig, client):
        response = await preflight(client, SHOP, "authorization,x-api-key,content-encoding,content-type")
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == SHOP
        assert "POST" in response.headers["access-control-allow-methods"]
        assert response.headers["access-control-max-age"] == "60"
        allowed = response.headers["access-control-allow-headers"].lower()
        assert {"authorization", "x-api-key", "content-encoding"} <= set(allowed.split(", "))
        assert "access-control-allow-credentials" not in response.headers
        assert rig.publisher.records == []


async def test_another_origin_or_header_is_refused_at_the_preflight(running: Running) -> None:
    async with running(cors={"allowed_origins": (SHOP,)}) as (_, client):
        response = await preflight(client, "https://evil.example.com")
        assert response.status_code == 400
        assert "access-control-allow-origin" not in response.headers
        assert (await preflight(client, SHOP, "x-other")).status_code == 400


@pytest.mark.parametrize(("allowed", "answered"), [((SHOP,), SHOP), (("*",), "*")])
async def test_every_answer_can_be_read_by_the_page_even_a_refusal(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: tuple[str, ...], answered: str
) -> None:
    (tmp_path / "page").write_text("key")
    settings = {"authentication": "ApiKey", "api_keys_dir": str(tmp_path), "cors": {"allowed_origins": allowed}}
    async with running(**settings) as (rig, client):

        async def send(**headers: str) -> httpx.Response:
            return await client.post("/collect", content=BODY, headers={"Origin": SHOP, **headers})

        answers = [await send(**{"X-Api-Key": "key"}), await send()]
        rig.publisher.away = "no Kafka"
        answers.append(await send(**{"X-Api-Key": "key"}))
        rig.publisher.away = None

        async def explode(*_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(rig.publisher, "publish", explode)
        answers.append(await send(**{"X-Api-Key": "key"}))
        assert [answer.status_code for answer in answers] == [202, 401, 503, 500]
        for answer in answers:
            assert answer.headers["access-control-allow-origin"] == answered
            assert "Retry-After" in answer.headers["access-control-expose-headers"]
