"""The Lease, Secret and webhook configuration of the operator in memory, with versions as the API server keeps them."""

import copy
import re
import threading
import time

from holded_operator.exceptions import KubernetesUnavailableError, StaleObjectError
from holded_operator.gateways.interfaces import Body


class FakeOwnObjects:
    """One API server; `away` makes every request fail, `hanging` lets them wait until it is cleared."""

    def __init__(self) -> None:
        self.lease: Body | None = None
        self.secret: Body = {"kind": "Secret", "metadata": {"name": "operator", "resourceVersion": "0"}}
        hook = {"name": "one", "clientConfig": {"service": {"name": "operator", "namespace": "tests"}}}
        self.webhooks: Body = {"metadata": {"resourceVersion": "0"}, "webhooks": [hook]}
        self.away = False
        self.free = threading.Event()
        self.free.set()
        self.lease_writes: list[tuple[float, str]] = []
        """Time and holder."""
        self.patches = 0
        self._lock = threading.Lock()
        self._versions = 0

    def read_lease(self) -> Body:
        self._call()
        with self._lock:
            return copy.deepcopy(self.lease) or {"kind": "Lease", "metadata": {"name": "operator"}}

    def write_lease(self, lease: Body) -> None:
        self._call()
        with self._lock:
            self.lease = self._stored(self.lease, lease, "Lease operator")
            self.lease_writes.append((time.monotonic(), lease["spec"]["holderIdentity"]))

    def read_certificate(self) -> Body:
        self._call()
        with self._lock:
            return copy.deepcopy(self.secret)

    def write_certificate(self, secret: Body) -> None:
        self._call()
        with self._lock:
            self.secret = self._stored(self.secret, secret, "Secret operator")

    def read_webhooks(self) -> Body:
        self._call()
        with self._lock:
            return copy.deepcopy(self.webhooks)

    def patch_webhooks(self, configuration: Body, ca_bundle: str, path: str) -> None:
        self._call()
        assert re.fullmatch(r"(/[a-z0-9]([-a-z0-9]*[a-z0-9])?)+", path), "the API server takes no other segments"
        with self._lock:
            changed = copy.deepcopy(configuration)
            for hook in changed["webhooks"]:
                hook["clientConfig"]["caBundle"] = ca_bundle
                hook["clientConfig"]["service"]["path"] = path
            self.webhooks = self._stored(self.webhooks, changed, "ValidatingWebhookConfiguration operator")
            self.patches += 1

    @property
    def holder(self) -> str:
        return "" if self.lease is None else str(self.lease["spec"]["holderIdentity"])

    def _call(self) -> None:
        self.free.wait()
        if self.away:
            raise KubernetesUnavailableError("https://api", "connection refused")

    def _stored(self, live: Body | None, wanted: Body, what: str) -> Body:
        version = wanted["metadata"].get("resourceVersion")
        if version != (None if live is None else live["metadata"]["resourceVersion"]):
            raise StaleObjectError(what)
        self._versions += 1
        stored = copy.deepcopy(wanted)
        stored["metadata"]["resourceVersion"] = str(self._versions)
        return stored
