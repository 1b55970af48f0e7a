"""The Flink Kubernetes Operator's CRD, from the artifact that its project publishes; nothing of it is kept here."""

import zipfile
from pathlib import Path
from typing import Any

import yaml

from tests.support.maven import artifact

_ARTIFACT = "org.apache.flink:flink-kubernetes-operator-api"
_FILE = "META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"


def flink_deployment_crd(version: str, folder: Path) -> dict[str, Any]:
    """Return the CustomResourceDefinition of FlinkDeployments in a release; Maven fetches and caches it."""
    jar = artifact(f"{_ARTIFACT}:{version}", folder / "artifact")
    with zipfile.ZipFile(jar) as archive:
        found: dict[str, Any] = yaml.safe_load(archive.read(_FILE))
    return found


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that refuses the fields it does not name, which the API server would drop."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result.setdefault("additionalProperties", False)
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = strict(schema["additionalProperties"])
    if "items" in schema:
        result["items"] = strict(schema["items"])
    return result
