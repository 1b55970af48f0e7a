"""What kopf watches. Its events only say which resource to look at; everything else is read afresh in the pass.

Of kopf, only the event handlers are used. They never write to the watched objects: no annotations of progress or of
the last seen spec, and no finalizer, which is the reconciler's own (`steps.finalize`).
"""

from collections.abc import Mapping
from typing import Any

import kopf

from holded_operator.config import OperatorConfig
from holded_operator.constants import FIELD_MANAGER, GROUP, KIND, LABEL_MANAGED_BY, PLURAL, VERSION
from holded_operator.handlers.loops import ReconcileLoops

OWNED = (
    ("apps", "v1", "deployments"),
    ("apps", "v1", "statefulsets"),
    ("", "v1", "services"),
    ("", "v1", "configmaps"),
)
"""Owned kinds whose events wake their owner. The others change by themselves all the time (autoscalers, budgets) or
hardly ever (network policies), or may not be served here (FlinkDeployment); the resync looks after them."""

SERVER_TIMEOUT_SECONDS = 240
"""Time after which the API server ends a watch; kopf opens the next one where it ended."""
CLIENT_TIMEOUT_SECONDS = 270
"""Time after which we end it: a watch whose other side is gone stays silent for ever otherwise."""


def register(registry: kopf.OperatorRegistry, loops: ReconcileLoops) -> None:
    """Add the handlers to a registry of kopf's."""
    seen: dict[str, tuple[object, ...]] = {}

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_via_client(**kwargs)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def pipeline_changed(event: Mapping[str, Any], **_: Any) -> None:
        metadata = event["object"]["metadata"]
        if event["type"] == "DELETED":
            seen.pop(metadata["uid"], None)
        else:
            # Our own status writes come back as events; they change none of these.
            now = (
                metadata.get("generation"),
                metadata.get("deletionTimestamp"),
                tuple(metadata.get("finalizers") or ()),
            )
            if event["type"] is not None and seen.get(metadata["uid"]) == now:
                return
            seen[metadata["uid"]] = now
        loops.wake(metadata["namespace"], metadata["name"])

    async def child_changed(event: Mapping[str, Any], **_: Any) -> None:
        metadata = event["object"]["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            if owner["kind"] == KIND and owner["apiVersion"].partition("/")[0] == GROUP:
                loops.wake(metadata["namespace"], owner["name"])

    for group, version, plural in OWNED:
        kopf.on.event(group, version, plural, registry=registry)(child_changed)

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await loops.stop()


def settings(config: OperatorConfig) -> kopf.OperatorSettings:
    """Return kopf's settings."""
    result = kopf.OperatorSettings()
    result.watching.server_timeout = SERVER_TIMEOUT_SECONDS
    result.watching.client_timeout = CLIENT_TIMEOUT_SECONDS
    result.watching.connect_timeout = 10
    for group, version, plural in OWNED:
        result.watching.label_selectors[group, version, plural] = f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"
    # Resources and namespaces are fixed at start, so no right to list or watch CRDs and namespaces is needed.
    result.scanning.disabled = True
    result.peering.standalone = True
    # Events are the reconciler's, with a reason for each step.
    result.posting.enabled = False
    # kopf takes off "its" finalizer from every object without a deletion handler of kopf's: it must not be ours.
    result.persistence.finalizer = f"{GROUP}/kopf-unused"
    result.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    result.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    result.networking.request_timeout = 60
    result.networking.connect_timeout = 10
    result.process.ultimate_exiting_timeout = config.drain_seconds
    return result
