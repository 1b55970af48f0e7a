"""The Kubernetes API server.

Raw requests through the official client's transport (configuration, TLS, token refresh) instead of its typed or dynamic
models: objects are JSON here from end to end, nothing is discovered at run time, and the table of resources below is at
the same time the list of what RBAC must allow.

How an object is applied, so that an unchanged one costs no write:
1. A fingerprint of the live object (all but status and bookkeeping) together with a digest of the rendered one is
   remembered after every apply. Both equal: nothing to do, and nothing was sent but the list request.
2. Otherwise the apply is sent as a dry run. The server merges, defaults and canonicalises as it would for real, so the
   comparison of its answer with the live object is exact; no second implementation of its rules is needed here.
3. Only if they differ, the apply is sent for real. Server-side apply also removes the fields that we rendered once and
   render no more; what others added to the object (an annotation, a sidecar's label) stays theirs.
"""

import base64
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import urllib3
from kubernetes import client, config

from holded_operator.constants import (
    API_VERSION,
    FIELD_MANAGER,
    KIND,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    PLURAL,
)
from holded_operator.exceptions import (
    ForbiddenError,
    KubernetesUnavailableError,
    ObjectRejectedError,
    OperatorError,
    StaleObjectError,
)
from holded_operator.gateways.absences import Absences
from holded_operator.gateways.holds import MAX_HOLD_SECONDS, Holds
from holded_operator.gateways.interfaces import Applied, Body, Change, Versions, is_owned_by, object_id
from holded_operator.gateways.objects import (
    OPTIONAL_KINDS,
    RESOURCES,
    collection_path,
    digest,
    event_body,
    fingerprint,
    items,
    not_served,
    object_path,
    pipeline_path,
    refuse_foreign,
)
from holded_operator.gateways.versions import MANAGED, METADATA_ONLY, VersionReader, owned_paths, pipeline_paths

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
EVENT_REPEAT_SECONDS = 600
"""The same Event about the same object is not written again within this time."""
REMEMBERED = 20_000
"""Fingerprints and Events kept in memory; about 200 bytes each."""

_log = logging.getLogger("holded_operator.kubernetes")
_TRANSIENT_STATUS = {408, 429}


class NotFoundError(Exception):
    """404; the callers know what it means."""


class KubernetesApi:
    """The `KubernetesGateway` of production. Safe for use by several threads."""

    _timeouts = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
    _longest_hold = MAX_HOLD_SECONDS

    def __init__(
        self, api: client.ApiClient, *, instance: str = "local", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._instance = instance
        self._clock = clock
        self._holds = Holds(clock, self._longest_hold)
        self._versions = VersionReader()
        self._lock = threading.Lock()
        self._absences = Absences(clock)
        self._applied: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._emitted: OrderedDict[tuple[str, ...], float] = OrderedDict()

    @classmethod
    def connect(cls, *, instance: str = "local") -> "KubernetesApi":
        """Use the pod's service account, or the kubeconfig outside a cluster."""
        settings = client.Configuration()
        config.load_config(client_configuration=settings)
        settings.retries = False
        settings.connection_pool_maxsize = 32
        return cls(client.ApiClient(settings), instance=instance)

    def close(self) -> None:
        """Close all connections."""
        self._api.close()

    def served(self) -> bool:
        """Tell whether the API server knows the CRD."""
        try:
            found = self._request("GET", f"/apis/{API_VERSION}", what="the resources of " + API_VERSION)
        except NotFoundError:
            return False
        return any(resource["name"] == PLURAL for resource in found["resources"])

    def get_pipeline(self, namespace: str, name: str) -> Body | None:
        """Return the resource as it is now, None when it is gone."""
        try:
            return self._request("GET", pipeline_path(namespace, name), what=f"{KIND} {name}")
        except NotFoundError:
            return None

    def list_pipelines(self, namespaces: Sequence[str]) -> list[tuple[str, str]]:
        """Return namespace and name of every resource in these namespaces (all, when none are given)."""
        found = self._list(namespaces, accept=METADATA_ONLY)
        return [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found]

    def read_pipelines(self, namespaces: Sequence[str]) -> list[Body]:
        """Return every resource in these namespaces (all, when none are given)."""
        return self._list(namespaces)

    def _list(self, namespaces: Sequence[str], *, accept: str = "application/json") -> list[Body]:
        answers = [
            self._request("GET", path, what=f"the list of {PLURAL}", accept=accept)
            for path in pipeline_paths(namespaces)
        ]
        return [item for answer in answers for item in items(answer)]

    def versions(self, namespaces: Sequence[str]) -> dict[str, Versions]:
        """Return the versions of every pipeline in these namespaces and of what it owns, by the pipeline's uid."""
        pipelines = [self._send("GET", path, what=path, accept=METADATA_ONLY) for path in pipeline_paths(namespaces)]
        return self._versions.read(pipelines, self._owned(namespaces))

    def _owned(self, namespaces: Sequence[str]) -> Iterator[bytes]:
        for path in owned_paths(namespaces):
            plural = path.rpartition("/")[2]
            if self._absences.holds(plural):
                continue
            try:
                yield self._send("GET", path, what=path, accept=METADATA_ONLY, query=[("labelSelector", MANAGED)])
            except NotFoundError:
                self._absences.begin(plural)  # it is in no pipeline's versions either

    def set_finalizers(self, pipeline: Body, finalizers: Sequence[str]) -> Body | None:
        """Replace the finalizers of exactly this version of the resource; None when it went with them."""
        metadata = pipeline["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": list(finalizers)}}
        try:
            return self._request(
                "PATCH",
                pipeline_path(metadata["namespace"], metadata["name"]),
                what=object_id(pipeline),
                body=patch,
                content_type="application/merge-patch+json",
            )
        except NotFoundError:
            return None

    def write_status(self, pipeline: Body, status: Body) -> Body | None:
        """Replace the whole status, through the status subresource; returns the resource as it is then.

        By JSON patch: it needs no resource version, so an edit of the spec meanwhile is no conflict, and the test of
        the uid keeps it from a resource that was deleted and created anew under the same name.
        """
        metadata = pipeline["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "add", "path": "/status", "value": status},
        ]
        try:
            return self._request(
                "PATCH",
                pipeline_path(metadata["namespace"], metadata["name"]) + "/status",
                what=f"the status of {object_id(pipeline)}",
                body=patch,
                content_type="application/json-patch+json",
            )
        except NotFoundError:
            _log.debug("the resource went before its status was written")
            return None

    def read_secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's values, None when it does not exist."""
        try:
            secret = self._request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}", what=f"Secret {name}")
        except NotFoundError:
            return None
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}

    def list_children(self, pipeline: Body) -> list[Body]:
        """Return every object that this resource owns, of every kind that the operator can render."""
        metadata = pipeline["metadata"]
        selector = f"{LABEL_INSTANCE}={metadata['name']},{LABEL_MANAGED_BY}={FIELD_MANAGER}"
        found = []
        for kind, (version, plural) in RESOURCES.items():
            path = collection_path(version, plural, metadata["namespace"])
            if self._absences.holds(plural):
                continue
            try:
                answer = self._request("GET", path, what=f"the list of {plural}", query=[("labelSelector", selector)])
            except NotFoundError:
                if kind not in OPTIONAL_KINDS:
                    raise KubernetesUnavailableError(self._address, f"{path} is not served") from None
                self._absences.begin(plural)
                continue
            # Items of a list come without their kind.
            found += [item | {"apiVersion": version, "kind": kind} for item in items(answer)]
        return [item for item in found if is_owned_by(item, metadata["uid"])]

    def list_pods(self, pipeline: Body, component: str) -> list[Body]:
        """Return the pods of one component."""
        metadata = pipeline["metadata"]
        selector = f"{LABEL_INSTANCE}={metadata['name']},{LABEL_COMPONENT}={component}"
        path = collection_path("v1", "pods", metadata["namespace"])
        answer = self._request("GET", path, what="the list of pods", query=[("labelSelector", selector)])
        return items(answer)

    def get(self, template: Body) -> Body | None:
        """Return the live object of the template's kind, namespace and name."""
        try:
            return self._request("GET", object_path(template), what=object_id(template))
        except NotFoundError:
            return None

    def apply(self, pipeline: Body, wanted: Body, live: Body | None) -> Applied:
        """Bring one object to its rendered form by server-side apply; no write when it is there already.

        Raises
        ------
        ObjectConflictError
            If the live object belongs to somebody else.
        ObjectTerminatingError
            If the live object is on its way out.
        """
        rendered = digest(wanted)
        if live is not None:
            refuse_foreign(pipeline, live)
            before = fingerprint(live)
            if self._remembered(live["metadata"]["uid"]) == (rendered, before):
                return Applied(Change.UNCHANGED, live)
            if fingerprint(self._patch(wanted, dry_run=True)) == before:
                self._remember(live, rendered)
                return Applied(Change.UNCHANGED, live)
        applied = self._patch(wanted, dry_run=False)
        self._remember(applied, rendered)
        return Applied(Change.CREATED if live is None else Change.UPDATED, applied)

    def delete(self, live: Body, *, wait_for_dependents: bool = False) -> None:
        """Delete exactly this object (by uid); with `wait_for_dependents` it stays until its pods are gone."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground" if wait_for_dependents else "Background",
            "preconditions": {"uid": live["metadata"]["uid"]},
        }
        try:
            self._request("DELETE", object_path(live), what=object_id(live), body=options)
        except NotFoundError:
            _log.debug("%s was gone already", object_id(live))

    def emit(self, pipeline: Body, *, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Write an Event about the resource; best effort, never raises for the outside's sake."""
        metadata = pipeline["metadata"]
        if not self._is_news((metadata["uid"], kind, reason, message)):
            return
        event = event_body(pipeline, kind=kind, reason=reason, message=message, instance=self._instance)
        try:
            self._request(
                "POST",
                collection_path("events.k8s.io/v1", "events", metadata["namespace"]),
                what="an Event",
                body=event,
            )
        except (NotFoundError, OperatorError) as error:
            _log.warning("Event %s was not written: %s", reason, error)

    @property
    def _address(self) -> str:
        return str(self._api.configuration.host)

    def _patch(self, wanted: Body, *, dry_run: bool) -> Body:
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        try:
            applied = self._request(
                "PATCH",
                object_path(wanted),
                what=object_id(wanted),
                body=wanted,
                content_type="application/apply-patch+yaml",
                query=[*query, ("dryRun", "All")] if dry_run else query,
            )
        except NotFoundError as error:
            raise not_served(wanted) from error
        self._absences.end(RESOURCES[wanted["kind"]][1])
        return applied

    def _request(
        self,
        method: str,
        path: str,
        *,
        what: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        query: Sequence[tuple[str, str]] = (),
    ) -> Body:
        document: Body = json.loads(
            self._send(method, path, what=what, body=body, content_type=content_type, accept=accept, query=query)
        )
        return document

    def _send(
        self,
        method: str,
        path: str,
        *,
        what: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        query: Sequence[tuple[str, str]] = (),
    ) -> bytes:
        held = self._holds.find(method, path)
        if held is not None:
            # Not sent: the server has asked for it.
            raise KubernetesUnavailableError(self._address, held[1], retry_after_seconds=held[0])
        try:
            response = self._api.call_api(
                *self._api.param_serialize(
                    method,
                    path,
                    query_params=list(query),
                    header_params={"Accept": accept, "Content-Type": content_type},
                    body=body,
                    auth_settings=["BearerToken"],
                ),
                _request_timeout=self._timeouts,
            )
            data: bytes = response.read()
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            raise KubernetesUnavailableError(self._address, str(error)) from error
        if response.status >= 400:  # noqa: PLR2004
            refusal = self._error(response.status, data, what)
            if isinstance(refusal, KubernetesUnavailableError):
                asked = response.headers.get("Retry-After")
                refusal.retry_after_seconds = self._holds.begin(method, path, asked, refusal.cause)
            raise refusal
        return data

    def _error(self, status: int, data: bytes, what: str) -> Exception:
        try:
            message = str(json.loads(data).get("message") or "")
        except (ValueError, AttributeError):
            message = data[:200].decode(errors="replace")
        if status == 404:  # noqa: PLR2004
            return NotFoundError(message)
        if status in {401, 403}:
            return ForbiddenError(what, message)
        if status in {409, 410}:
            return StaleObjectError(what)
        if status in _TRANSIENT_STATUS or status >= 500:  # noqa: PLR2004
            return KubernetesUnavailableError(self._address, f"HTTP {status} {message}")
        return ObjectRejectedError(what, message)

    def _remembered(self, uid: str) -> tuple[str, str] | None:
        with self._lock:
            return self._applied.get(uid)

    def _remember(self, live: Body, rendered: str) -> None:
        with self._lock:
            uid = live["metadata"]["uid"]
            self._applied[uid] = (rendered, fingerprint(live))
            self._applied.move_to_end(uid)
            while len(self._applied) > REMEMBERED:
                self._applied.popitem(last=False)

    def _is_news(self, event: tuple[str, ...]) -> bool:
        now = self._clock()
        with self._lock:
            last = self._emitted.get(event)
            if last is not None and now - last < EVENT_REPEAT_SECONDS:
                return False
            self._emitted[event] = now
            self._emitted.move_to_end(event)
            while len(self._emitted) > REMEMBERED:
                self._emitted.popitem(last=False)
            return True
