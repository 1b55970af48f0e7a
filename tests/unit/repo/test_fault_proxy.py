"""What the enumeration's proxy answers, and that it sees a client that comes back too early."""

import ssl
import time
from collections.abc import Iterator

import httpx
import pytest
from kubernetes import client

from holded_operator.exceptions import KubernetesUnavailableError
from holded_operator.gateways.kubernetes import KubernetesApi
from tests.support.fake_writes import Writes
from tests.support.fault_proxy import Answer, Call, FaultProxy

PATH = "/apis/holded.dev/v1alpha1/namespaces/tests/holdedpipelines"


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """Return a proxy that asks for a second after its first answer."""
    with FaultProxy("http://127.0.0.1:1", ssl.create_default_context(), Writes()) as proxy:
        proxy.plan = lambda call: Answer(429, retry_after=1) if call.number == 1 else Answer(404)
        yield proxy


def test_the_gateway_sends_nothing_of_the_kind_until_retry_after_is_over(proxy: FaultProxy):
    settings = client.Configuration(host=f"http://127.0.0.1:{proxy.port}")
    settings.retries = False
    gateway, until = KubernetesApi(client.ApiClient(settings)), time.monotonic() + 10
    with pytest.raises(KubernetesUnavailableError):
        gateway.get_pipeline("tests", "demo")
    while len(proxy.record.calls) < 2:
        assert time.monotonic() < until
        try:
            assert gateway.get_pipeline("tests", "other") is None
        except KubernetesUnavailableError:
            time.sleep(0.02)
    assert proxy.record.calls[1][0] - proxy.record.calls[0][0] >= 1
    assert proxy.record.impatient() == []


def test_a_client_that_only_backs_off_is_impatient(proxy: FaultProxy):
    with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}") as http:
        assert http.get(f"{PATH}/demo").headers["Retry-After"] == "1"
        time.sleep(0.4)
        http.get("/api/v1/namespaces/tests/secrets/demo")
        http.get(PATH, headers={"User-Agent": "another"})
        assert proxy.record.impatient() == []
        http.get(f"{PATH}/other/status")
    [line] = proxy.record.impatient()
    assert line.startswith(f"GET {PATH}/other/status 0.4 s after")


@pytest.mark.parametrize(
    ("path", "collection"),
    [
        (f"{PATH}/demo/status", PATH),
        ("/api/v1/namespaces/tests/secrets/a", "/api/v1/namespaces/tests/secrets"),
        ("/api/v1/namespaces/tests", "/api/v1/namespaces"),
        ("/apis/apps/v1/deployments", "/apis/apps/v1/deployments"),
    ],
)
def test_a_kind_of_request_is_method_and_collection(path: str, collection: str):
    assert Call(1, "GET", path, {}, "me").kind == ("me", "GET", collection)
