"""A real API server as the fault tests use it: plain requests past every proxy, and pods that become ready.

No image is ever started: pods of the tests ask for a node that is not there, so the controllers of the cluster make and
delete them, the scheduler leaves them alone, and `Kubelet` tells of each that it runs and is ready.
"""

import base64
import json
import ssl
import tempfile
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from holded_operator.constants import API_VERSION, FIELD_MANAGER, LABEL_MANAGED_BY, PLURAL
from holded_operator.gateways.interfaces import Body
from holded_operator.gateways.objects import OPTIONAL_KINDS, RESOURCES, collection_path

NO_NODE = {"holded.dev/no-such-node": "true"}
"""Node selector of the tests' pods."""


class RefusedError(AssertionError):
    """The API server refused a request; the text is what a user would read."""


class ApiServer:
    """One cluster, by its own kubeconfig file."""

    def __init__(self, kubeconfig: Path) -> None:
        document = yaml.safe_load(kubeconfig.read_text("utf-8"))
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self.server: str = cluster["server"]
        self.tls = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "certificate"), Path(folder, "key")
            certificate.write_text(_decoded(user["client-certificate-data"]))
            key.write_text(_decoded(user["client-key-data"]))
            self.tls.load_cert_chain(certificate, key)
        self._client = httpx.Client(base_url=self.server, verify=self.tls, timeout=30)

    def request(self, method: str, path: str, **options: Any) -> Body:
        """Send a request; RefusedError when it is answered with an error."""
        answer = self._client.request(method, path, **options)
        if answer.is_error:
            raise RefusedError(f"{answer.status_code} {answer.json().get('message', answer.text)}")
        found: Body = answer.json()
        return found

    def find(self, path: str) -> Body | None:
        """Return an object, None when it is not there."""
        answer = self._client.get(path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found: Body = answer.raise_for_status().json()
        return found

    def objects(self, version: str, plural: str, namespace: str, selector: str = "") -> list[Body]:
        """Return the objects of a kind in a namespace."""
        found = self.request("GET", collection_path(version, plural, namespace), params={"labelSelector": selector})
        return found["items"] or []

    def create_namespace(self, name: str) -> None:
        self.request("POST", "/api/v1/namespaces", json={"metadata": {"name": name}})

    def delete_namespace(self, name: str) -> None:
        """Ask for its deletion; the cluster does it in its own time."""
        with suppress(RefusedError):
            self.request("DELETE", f"/api/v1/namespaces/{name}")

    def create_secret(self, namespace: str, name: str, **values: str) -> None:
        body = {"metadata": {"name": name}, "stringData": values}
        self.request("POST", f"/api/v1/namespaces/{namespace}/secrets", json=body)

    def patch(self, path: str, patch: Any, *, kind: str = "merge-patch+json") -> Body:
        return self.request("PATCH", path, content=_json(patch), headers={"Content-Type": f"application/{kind}"})

    def define(self, crd: Path) -> None:
        """Install the CRD as it is now, and wait until it is served."""
        body = yaml.safe_load(crd.read_text("utf-8"))
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{body['metadata']['name']}"
        self.request(
            "PATCH",
            path,
            params={"fieldManager": "tests", "force": "true"},
            content=_json(body),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def is_served(self) -> bool:
        served = self.find(f"/apis/{API_VERSION}")
        return served is not None and any(entry["name"] == PLURAL for entry in served["resources"])

    def owned(self, namespace: str) -> list[Body]:
        """Return every object in a namespace that the operator made, with its kind."""
        selector = f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"
        return [
            item | {"apiVersion": version, "kind": kind}
            for kind, (version, plural) in RESOURCES.items()
            if kind not in OPTIONAL_KINDS
            for item in self.objects(version, plural, namespace, selector)
        ]


class Kubelet:
    """Says of every pod of the operator's workloads, in all namespaces, that it runs; while its context is open."""

    def __init__(self, api: ApiServer, *, every: float = 0.3) -> None:
        self._api = api
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        options = {
            "labelSelector": f"{LABEL_MANAGED_BY}={FIELD_MANAGER}",
            "fieldSelector": "status.phase=Pending,spec.nodeName=",
        }
        while not self._stop.wait(self._every):
            with suppress(httpx.TransportError, RefusedError):
                for pod in self._api.request("GET", "/api/v1/pods", params=options)["items"] or ():
                    self._start(pod)

    def _start(self, pod: Body) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")]
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
        with suppress(RefusedError):  # gone meanwhile
            self._api.patch(
                path, {"status": {"phase": "Running", "conditions": ready}}, kind="strategic-merge-patch+json"
            )


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()
