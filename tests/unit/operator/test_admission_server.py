"""The webhook over real TLS: it answers in time, only to whom it should, and on while its certificate changes."""

import asyncio
import base64
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from holded_operator.admission.certificates import AUTHORITY_LIFE
from holded_operator.admission.findings import Findings
from holded_operator.handlers.admission import AdmissionServer, AdmissionThread
from holded_operator.handlers.certificates import CertificateKeeper
from holded_operator.handlers.health import REVIEWS
from tests.support.containers import free_port
from tests.support.fake_own_objects import FakeOwnObjects
from tests.support.waiting import wait_until

SECONDS = 1.0


class Webhook:
    """A server, and the API server that calls it as its configuration says."""

    def __init__(
        self, examine: Callable[..., Findings], namespaces: tuple[str, ...], tended_before: tuple[timedelta, ...]
    ) -> None:
        self.objects = FakeOwnObjects()
        self.age = timedelta()
        self.keeper = CertificateKeeper(
            self.objects, service="operator", namespace="tests", now=lambda: datetime.now(UTC) - self.age
        )
        # What a Service is in a cluster, localhost is here.
        self.keeper._names = ("localhost",)
        for age in tended_before or (self.age,):
            self.age = age
            self.keeper.tend()
        self.age = timedelta()
        self.port = free_port()
        self.server = AdmissionServer(examine, self.keeper, port=self.port, seconds=SECONDS, namespaces=namespaces)

    async def call(self, body: Any = None, path: str | None = None) -> httpx.Response:
        config = self.objects.webhooks["webhooks"][0]["clientConfig"]
        trust = ssl.create_default_context(cadata=base64.b64decode(config["caBundle"]).decode())
        url = f"https://localhost:{self.port}{path or config['service']['path']}"
        async with httpx.AsyncClient(verify=trust, timeout=10, trust_env=False) as client:
            return await client.post(url, json=review_of() if body is None else body)


def review_of(namespace: str = "tests") -> dict[str, Any]:
    body = {"metadata": {"name": "demo"}, "spec": {}}
    return {"request": {"uid": "u-1", "operation": "CREATE", "namespace": namespace, "object": body}}


type Make = Callable[..., Any]


@pytest.fixture
async def webhook() -> AsyncIterator[Make]:
    made: list[Webhook] = []

    async def make(
        examine: Callable[..., Findings],
        namespaces: tuple[str, ...] = (),
        tended_before: tuple[timedelta, ...] = (),
    ) -> Webhook:
        made.append(Webhook(examine, namespaces, tended_before))
        await made[-1].server.start()
        return made[-1]

    yield make
    for item in made:
        await item.server.close(drain_seconds=0)


def fine(body: Any, *, until: float) -> Findings:
    return Findings()


def bad(body: Any, *, until: float) -> Findings:
    return Findings(("spec.a: wrong",))


async def test_a_review_is_answered_as_the_api_server_expects(webhook: Make) -> None:
    count = REVIEWS.labels("refused")._value.get()
    answer = (await (await webhook(bad)).call()).json()
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == "u-1"
    assert answer["response"]["allowed"] is False
    assert REVIEWS.labels("refused")._value.get() == count + 1


@pytest.mark.parametrize("path", ["/validate/guess", "/validate/", "/validate/%C3%A9", "/"])
async def test_whoever_does_not_know_the_path_is_not_served(webhook: Make, path: str) -> None:
    def never(body: Any, *, until: float) -> Findings:
        raise AssertionError("credentials could be sent anywhere")

    assert (await (await webhook(never)).call(path=path)).status_code == 404


@pytest.mark.parametrize("body", [{}, {"request": None}, {"request": {"uid": "u"}}, []], ids=str)
async def test_what_is_no_review_is_a_400(webhook: Make, body: Any) -> None:
    assert (await (await webhook(fine)).call(body)).status_code == 400


async def test_checks_that_take_too_long_admit_with_a_warning(webhook: Make) -> None:
    release = threading.Event()

    def slow(body: Any, *, until: float) -> Findings:
        release.wait(20)
        return Findings(("too late",))

    hook = await webhook(slow)
    started = time.monotonic()
    response = (await hook.call()).json()["response"]
    release.set()
    assert response["allowed"] is True
    assert "took too long" in response["warnings"][0]
    assert time.monotonic() - started < SECONDS + 3 - 0.5, "the chart gives the API server 3 seconds more"


async def test_a_fault_of_our_own_admits_with_a_warning(webhook: Make) -> None:
    def broken(body: Any, *, until: float) -> Findings:
        raise ZeroDivisionError

    response = (await (await webhook(broken)).call()).json()["response"]
    assert response["allowed"] is True
    assert "a fault of the operator itself" in response["warnings"][0]


async def test_a_namespace_that_is_not_served_is_not_judged(webhook: Make) -> None:
    hook = await webhook(bad, ("tests",))
    assert (await hook.call()).json()["response"]["allowed"] is False
    assert (await hook.call(review_of("elsewhere"))).json()["response"]["allowed"] is True


async def test_a_new_authority_refuses_no_call_while_calls_go_on(webhook: Make) -> None:
    # An authority that is due now, and a serving certificate of it that is not.
    age = AUTHORITY_LIFE * 0.67
    hook = await webhook(fine, tended_before=(age, age * 0.02))
    first, trusted = hook.keeper._served, hook.objects.webhooks["webhooks"][0]["clientConfig"]["caBundle"]
    done = asyncio.Event()
    answers: list[int] = []

    async def calls() -> None:
        while not done.is_set():
            answers.append((await hook.call()).status_code)

    calling = asyncio.create_task(calls())
    for _ in range(3):
        answered = len(answers)
        hook.keeper.tend()
        while len(answers) < answered + 2:
            await asyncio.sleep(0.01)
            assert not calling.done(), calling
    done.set()
    await calling
    assert set(answers) == {200}
    assert hook.objects.webhooks["webhooks"][0]["clientConfig"]["caBundle"] != trusted
    assert hook.keeper._served != first


async def test_the_thread_is_ready_once_it_has_a_certificate_and_serves_until_it_is_drained() -> None:
    objects = FakeOwnObjects()
    objects.away = True
    keeper = CertificateKeeper(objects, service="operator", namespace="tests")
    port = free_port()
    thread = AdmissionThread(AdmissionServer(fine, keeper, port=port, seconds=SECONDS), keeper)
    assert not thread.ready.wait(0.3)
    objects.away = False
    assert await asyncio.to_thread(thread.ready.wait, 20)

    async def status() -> int:
        async with httpx.AsyncClient(verify=False, timeout=10, trust_env=False) as client:
            return (
                await client.post(f"https://localhost:{port}/validate/{keeper.token}", json=review_of())
            ).status_code

    closing = asyncio.create_task(asyncio.to_thread(thread.close))
    assert await status() == 200
    await closing
    with pytest.raises(httpx.ConnectError):
        await status()
    wait_until(lambda: not thread.ready.is_set(), timeout=5, what="a stopped server is not ready")
