"""The API server as `kubectl holded` uses it: a person's kubeconfig and rights, reads and dry runs only."""

import json
from typing import Any

from kubernetes import client, config

from holded_operator.constants import LABEL_NAME
from holded_operator.exceptions import KubernetesUnavailableError, ObjectRejectedError
from holded_operator.gateways.interfaces import Body, object_id
from holded_operator.gateways.kubernetes import KubernetesApi, NotFoundError
from holded_operator.gateways.objects import collection_path, items, pipeline_path

OPERATOR_NAME = "holded-operator"
"""Label app.kubernetes.io/name of the operator's pods, as charts/holded-pipeline sets it."""
APPLIED_BY_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation in which `kubectl apply` keeps what it sent last."""


class KubernetesInspection(KubernetesApi):
    """The `InspectionGateway` of production."""

    def version(self) -> str:
        """Return the version of the API server."""
        return str(self._request("GET", "/version", what="the version of the API server")["gitVersion"])

    def preview(self, wanted: Body) -> Body:
        """Return what an owned object would be if it were applied."""
        return self._patch(wanted, dry_run=True)

    def preview_pipeline(self, body: Body, live: Body | None) -> Body:
        """Return what a resource would be if `kubectl apply` brought it.

        What kubectl applied before is merged in three ways as kubectl does it; all else is applied by the server.
        """
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        before = None if live is None else (live["metadata"].get("annotations") or {}).get(APPLIED_BY_KUBECTL)
        query = [("dryRun", "All"), ("fieldManager", "kubectl")]
        if before is None:
            patch, content_type = body, "application/apply-patch+yaml"
            query.append(("force", "true"))
        else:
            # kubectl writes both even where the file has neither; their absence must not take away the others'.
            after = body | {"metadata": {"annotations": {}, "labels": {}} | body["metadata"]}
            patch, content_type = merge_patch(json.loads(before), after), "application/merge-patch+json"
        try:
            return self._request(
                "PATCH",
                pipeline_path(namespace, name),
                what=object_id(body),
                body=patch,
                content_type=content_type,
                query=query,
            )
        except NotFoundError as error:
            raise ObjectRejectedError(object_id(body), f"there is no namespace {namespace}: {error}") from error

    def list_events(self, namespace: str) -> list[Body]:
        """Return the Events (core/v1) of a namespace."""
        return items(self._request("GET", collection_path("v1", "events", namespace), what="the list of events"))

    def list_operator_pods(self) -> list[Body]:
        """Return the operator's pods, in whichever namespace."""
        selector = [("labelSelector", f"{LABEL_NAME}={OPERATOR_NAME}")]
        return items(self._request("GET", "/api/v1/pods", what="the list of the operator's pods", query=selector))

    def read_log(self, pod: Body, container: str, *, lines: int, previous: bool = False) -> str:
        """Return the end of a container's log, or of its predecessor's; empty when there is none."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        query = [("container", container), ("tailLines", str(lines)), ("timestamps", "true")]
        path = f"{collection_path('v1', 'pods', namespace)}/{name}/log"
        try:
            data = self._send(
                "GET",
                path,
                what=f"the log of pod {name}",
                accept="*/*",
                query=[*query, ("previous", "true")] if previous else query,
            )
        except (NotFoundError, ObjectRejectedError):
            return ""  # gone, or not started: 400
        return data.decode(errors="replace")


def connect(context: str | None) -> tuple[KubernetesInspection, str]:
    """Use a context of the kubeconfig, the current one unless named; also returns its namespace.

    Raises
    ------
    KubernetesUnavailableError
        If the kubeconfig cannot be read or has no such context.
    """
    settings = client.Configuration()
    try:
        config.load_kube_config(context=context, client_configuration=settings)
        contexts, current = config.list_kube_config_contexts()
    except config.ConfigException as error:
        raise KubernetesUnavailableError(f"context {context or 'of the kubeconfig'}", str(error)) from error
    settings.retries = False
    chosen = next((entry for entry in contexts if entry["name"] == context), current)
    return KubernetesInspection(client.ApiClient(settings)), chosen["context"].get("namespace") or "default"


def merge_patch(before: Any, after: Any) -> Any:
    """Return the JSON merge patch that brings `after`, and takes away what only `before` had."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    gone: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    return gone | {key: merge_patch(before.get(key), value) for key, value in after.items()}
