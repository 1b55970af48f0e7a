"""Where the job's state is: a volume that all of Flink's pods use, or an object store."""

import copy
from typing import Any, Final

from holded_operator import constants
from holded_operator.api.v1alpha1 import AccessMode, Flink, HoldedPipeline, PodTemplate
from holded_operator.desired import names, quantities
from holded_operator.desired.state import Component, FlinkRole, Manifest

STATE_DIR: Final = "/flink-state"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def url(pipeline: HoldedPipeline) -> str:
    """Return the folder of checkpoints and savepoints, as Flink and the submitter name it."""
    return _flink(pipeline).state.url or f"file://{STATE_DIR}"


def secret_names(pipeline: HoldedPipeline) -> tuple[str, ...]:
    """Return the Secrets that Flink's own containers use."""
    reference = _flink(pipeline).state.credentials_secret_ref
    return () if reference is None else (reference.name,)


def volume_claims(pipeline: HoldedPipeline) -> tuple[Manifest, ...]:
    """Return the claim of the volume, if there is one."""
    state = _flink(pipeline).state
    if state.url is not None:
        return ()
    spec: dict[str, Any] = {
        "accessModes": [state.access_mode.value],
        "resources": {"requests": {"storage": quantities.canonical(state.size)}},
    }
    if state.storage_class_name is not None:
        spec["storageClassName"] = state.storage_class_name
    return (
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": names.metadata(pipeline, _claim(pipeline), Component.WORKER),
            "spec": spec,
        },
    )


def volumes(pipeline: HoldedPipeline) -> tuple[dict[str, Any], ...]:
    """Return the pods' volume, if there is one."""
    if _flink(pipeline).state.url is not None:
        return ()
    return ({"name": "state", "persistentVolumeClaim": {"claimName": _claim(pipeline)}},)


def mounts(pipeline: HoldedPipeline) -> tuple[dict[str, Any], ...]:
    """Return where containers find the volume."""
    return tuple({"name": volume["name"], "mountPath": STATE_DIR} for volume in volumes(pipeline))


def placed(pipeline: HoldedPipeline, template: PodTemplate) -> PodTemplate:
    """Return the template for pods that use the volume: one of ReadWriteOnce can be used on one node at a time.

    The submitter follows JobManager and TaskManagers. The embedded worker's pods, which may still run, are no guide.
    """
    state = _flink(pipeline).state
    if state.url is not None or state.access_mode is AccessMode.MANY_NODES:
        return template
    selector = {
        "matchLabels": {
            constants.LABEL_NAME: constants.APP_NAME,
            constants.LABEL_INSTANCE: pipeline.metadata.name,
        },
        "matchExpressions": [
            {"key": constants.LABEL_COMPONENT, "operator": "In", "values": [role.value for role in FlinkRole]}
        ],
    }
    affinity = copy.deepcopy(template.spec.affinity or {})
    together = affinity.setdefault("podAffinity", {})
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}
    together[_REQUIRED] = [*(together.get(_REQUIRED) or ()), term]
    return template.model_copy(update={"spec": template.spec.model_copy(update={"affinity": affinity})})


def _claim(pipeline: HoldedPipeline) -> str:
    return f"{pipeline.metadata.name}-flink-state"


def _flink(pipeline: HoldedPipeline) -> Flink:
    return pipeline.spec.worker.flink or Flink()
