"""The API server as far as the operator keeps something for itself there: a Lease, a Secret, a webhook configuration.

Apart from the gateway of the pipelines, with short time-outs: a Lease is renewed in time or not at all.
"""

from kubernetes import client

from holded_operator.exceptions import ForbiddenError
from holded_operator.gateways.interfaces import Body
from holded_operator.gateways.kubernetes import KubernetesApi, NotFoundError
from holded_operator.gateways.objects import collection_path

_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class OwnObjects(KubernetesApi):
    """The `OwnObjectsGateway` of production. Safe for use by several threads."""

    _timeouts = (2, 3)
    _longest_hold = 4.0  # several attempts to renew the Lease fit into the time that it has left

    def __init__(self, api: client.ApiClient, *, namespace: str, name: str) -> None:
        super().__init__(api)
        self._name = name
        self._leases = collection_path("coordination.k8s.io/v1", "leases", namespace)
        self._secrets = collection_path("v1", "secrets", namespace)

    @classmethod
    def beside(cls, other: KubernetesApi, *, namespace: str, name: str) -> "OwnObjects":
        """Use the connections of another gateway."""
        return cls(other._api, namespace=namespace, name=name)  # noqa: SLF001 -- its own subclass

    def read_lease(self) -> Body:
        """Return the Lease; one without a resource version does not exist yet."""
        try:
            return self._request("GET", f"{self._leases}/{self._name}", what=f"Lease {self._name}")
        except NotFoundError:
            return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._name}}

    def write_lease(self, lease: Body) -> None:
        """Create or replace the Lease, exactly the version that was read."""
        if "resourceVersion" in lease["metadata"]:
            self._put(f"{self._leases}/{self._name}", lease, f"Lease {self._name}")
        else:
            self._request("POST", self._leases, what=f"Lease {self._name}", body=lease)

    def read_certificate(self) -> Body:
        """Return the Secret of the admission webhook's certificate."""
        return self._existing(f"{self._secrets}/{self._name}", f"Secret {self._name}")

    def write_certificate(self, secret: Body) -> None:
        """Replace the Secret, exactly the version that was read."""
        self._put(f"{self._secrets}/{self._name}", secret, f"Secret {self._name}")

    def read_webhooks(self) -> Body:
        """Return our ValidatingWebhookConfiguration."""
        return self._existing(f"{_WEBHOOKS}/{self._name}", f"ValidatingWebhookConfiguration {self._name}")

    def patch_webhooks(self, configuration: Body, ca_bundle: str, path: str) -> None:
        """Set caBundle (base64) and path of every webhook in our ValidatingWebhookConfiguration."""
        patch = [
            {"op": "add", "path": f"/webhooks/{number}/clientConfig/{field}", "value": value}
            for number, _ in enumerate(configuration["webhooks"])
            for field, value in (("caBundle", ca_bundle), ("service/path", path))
        ]
        version = configuration["metadata"]["resourceVersion"]
        self._request(
            "PATCH",
            f"{_WEBHOOKS}/{self._name}",
            what=f"ValidatingWebhookConfiguration {self._name}",
            body=[{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *patch],
            content_type="application/json-patch+json",
        )

    def _put(self, path: str, body: Body, what: str) -> None:
        try:
            self._request("PUT", path, what=what, body=body)
        except NotFoundError as error:
            raise ForbiddenError(what, f"it is gone, and the operator may not create it: {error}") from error

    def _existing(self, path: str, what: str) -> Body:
        try:
            return self._request("GET", path, what=what)
        except NotFoundError as error:
            message = f"it is gone, and the operator may not create it; `helm upgrade` brings it back: {error}"
            raise ForbiddenError(what, message) from error
