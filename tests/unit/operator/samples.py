"""The sample resources of tests/data/operator and what is rendered from them."""

import copy
import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.crd import crd
from holded_operator.desired import DesiredState, Images, render

DATA = Path(__file__).parents[2] / "data" / "operator"
IMAGES = Images(
    collector="registry.example.com:5000/holded-pipeline/collector:1.2.3",
    worker="holded-pipeline/worker:1.2.3",
    sink="holded-pipeline/sink:1.2.3",
)
SECRET_CHECKSUMS = {
    name: f"checksum-of-{name}"
    for name in (
        "api-keys",
        "kafka-ca",
        "kafka-client",
        "kafka-credentials",
        "mysql-ca",
        "mysql-credentials",
        "registry-ca",
        "registry-credentials",
    )
}
NAMES = tuple(sorted(path.stem for path in (DATA / "input").glob("*.yaml")))


def body(name: str) -> dict[str, Any]:
    """Return a sample resource as the API server would hand it out."""
    resource = copy.deepcopy(_file(name))
    resource["metadata"] |= {"uid": f"uid-of-{name}", "generation": 1}
    return resource


@cache
def _file(name: str) -> dict[str, Any]:
    resource: dict[str, Any] = yaml.safe_load((DATA / "input" / f"{name}.yaml").read_text("utf-8"))
    return resource


def merged(base: Any, change: Any) -> Any:
    """Return base with the change laid over it; a change of None takes the key away."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return copy.deepcopy(change)
    result = {key: copy.deepcopy(value) for key, value in base.items() if change.get(key, value) is not None}
    for key, value in change.items():
        if value is not None:
            result[key] = merged(base.get(key), value)
    return result


def sample(which: str = "minimal", change: dict[str, Any] | None = None, **metadata: Any) -> HoldedPipeline:
    """Return a sample with its spec changed."""
    resource = body(which)
    resource["metadata"] |= metadata
    return HoldedPipeline.from_body({**resource, "spec": merged(resource["spec"], change or {})})


def rendered(pipeline: HoldedPipeline, worker_replicas: int | None = None) -> DesiredState:
    """Return the desired state with the usual images and checksums."""
    return render(pipeline, images=IMAGES, secret_checksums=SECRET_CHECKSUMS, worker_replicas=worker_replicas)


def document(state: DesiredState) -> dict[str, Any]:
    """Return the desired state as plain data, without the text of the schemas."""
    plain = dataclasses.asdict(state)
    for subject in plain["subjects"]:
        subject["schema_text"] = f"{len(subject['schema_text'])} characters"
    for topic in plain["topics"]:
        topic["artefact"] = topic["artefact"].value
    for subject in plain["subjects"]:
        subject["artefact"] = subject["artefact"].value
    result: dict[str, Any] = {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}
    result["deletion"] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in result["deletion"].items()
    }
    return result


@cache
def version_schema() -> dict[str, Any]:
    """Return the OpenAPI schema of the CRD's one version."""
    schema: dict[str, Any] = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Return the paths of all fields that hold a value: scalars, maps, lists of scalars, free-form objects."""
    if "properties" in schema:
        for name, value in schema["properties"].items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    elif "properties" in schema.get("items", {}):
        yield from leaves(schema["items"], f"{path}[]")
    else:
        yield path
