"""What the operator keeps for itself, against a scripted API server: by name, with the version that was read."""

from typing import Any

import pytest

from holded_operator.exceptions import ForbiddenError, KubernetesUnavailableError, StaleObjectError
from holded_operator.gateways.own_objects import OwnObjects
from tests.unit.operator.test_gateway_kubernetes import Request, ScriptedApi

LEASE = "/apis/coordination.k8s.io/v1/namespaces/system/leases/operator"
SECRET = "/api/v1/namespaces/system/secrets/operator"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/operator"


def objects(status: int, document: Any = None) -> tuple[OwnObjects, list[Request]]:
    api = ScriptedApi(lambda _: (status, {} if document is None else document))
    return OwnObjects(api, namespace="system", name="operator"), api.requests


def test_a_lease_that_is_not_there_is_created() -> None:
    own, requests = objects(404, {"message": "not found"})
    lease = own.read_lease()
    own, created = objects(201)
    own.write_lease(lease | {"spec": {"holderIdentity": "a"}})
    assert (requests[0].method, requests[0].path) == ("GET", LEASE)
    assert (created[0].method, created[0].path) == ("POST", LEASE.removesuffix("/operator"))


def test_a_lease_is_replaced_in_the_version_that_was_read() -> None:
    own, requests = objects(200)
    own.write_lease({"metadata": {"name": "operator", "resourceVersion": "7"}, "spec": {}})
    assert (requests[0].method, requests[0].path) == ("PUT", LEASE)
    assert requests[0].body["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize(
    ("status", "error"),
    [(409, StaleObjectError), (403, ForbiddenError), (404, ForbiddenError), (500, KubernetesUnavailableError)],
)
def test_a_write_that_fails_says_why(status: int, error: type[Exception]) -> None:
    own, _ = objects(status, {"message": "no"})
    stored = {"metadata": {"name": "operator", "resourceVersion": "7"}}
    for write in (own.write_lease, own.write_certificate):
        with pytest.raises(error):
            write(stored)


def test_what_the_chart_makes_is_never_created_and_its_absence_says_what_to_do() -> None:
    own, requests = objects(404, {"message": "not found"})
    for read in (own.read_certificate, own.read_webhooks):
        with pytest.raises(ForbiddenError, match="helm upgrade"):
            read()
    assert [(request.method, request.path) for request in requests] == [("GET", SECRET), ("GET", WEBHOOKS)]


def test_trust_and_path_are_set_in_every_webhook_of_exactly_this_version() -> None:
    own, requests = objects(200)
    own.patch_webhooks({"metadata": {"resourceVersion": "3"}, "webhooks": [{}, {}]}, "Q0E=", "/validate/t")
    assert requests[0].path == WEBHOOKS
    assert requests[0].body[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "3"}
    assert {entry["path"]: entry["value"] for entry in requests[0].body[1:]} == {
        f"/webhooks/{number}/clientConfig/{field}": value
        for number in (0, 1)
        for field, value in (("caBundle", "Q0E="), ("service/path", "/validate/t"))
    }


def test_a_lease_is_not_waited_for_longer_than_it_lasts() -> None:
    connect, read = OwnObjects._timeouts
    assert connect + read <= 5, "two attempts have to fit into the time a leader has"
