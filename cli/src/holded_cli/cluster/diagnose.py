"""Everything that a bug report about a pipeline needs, and no credential."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import yaml

from holded_cli.cluster.pods import container_statuses, read_components
from holded_cli.cluster.redaction import redacted, redacted_text, secret_texts
from holded_cli.cluster.why import explain, related
from holded_operator.exceptions import OperatorError
from holded_operator.gateways.interfaces import Body, InspectionGateway
from holded_operator.steps.workloads import Children

LOG_LINES = 500
"""Last lines of each container's log."""
_BOOKKEEPING = frozenset({"managedFields", "selfLink"})


@dataclass
class _Notes:
    """What could not be read: a bundle with holes is better than none."""

    lines: list[str] = field(default_factory=list)

    def attempt[T, D](self, call: Callable[[], T], default: D) -> T | D:
        """Return what a call returns, or the default after writing down why not."""
        try:
            return call()
        except OperatorError as error:
            self.lines.append(str(error))
            return default


@dataclass
class _Bundle:
    documents: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)


def collect(gateway: InspectionGateway, body: Body, now: datetime) -> dict[str, str]:
    """Return the files of the bundle by their path, without credentials.

    The Secrets that the pipeline names are read only to take their values out of everything else; where the user may
    not read them, what looks like a credential is taken out all the same.
    """
    notes, bundle = _Notes(), _Bundle()
    namespace = body["metadata"]["namespace"]
    children = notes.attempt(partial(gateway.list_children, body), list[Body]())
    components = notes.attempt(partial(read_components, gateway, body, Children(tuple(children))), ())
    pods = [pod for state in components for pod in state.pods]
    events = notes.attempt(partial(gateway.list_events, namespace), list[Body]())
    operators = notes.attempt(gateway.list_operator_pods, list[Body]())
    uids = {str(item["metadata"].get("uid")) for item in (body, *children, *pods)}
    bundle.documents |= {
        "pipeline.yaml": _bare(body),
        "why.yaml": explain(body, components, children, events).as_json(),
        "events.yaml": [_bare(event) for event in related(events, uids)],
        "versions.yaml": _versions(gateway, pods, operators, notes),
        **{f"objects/{item['kind']}-{item['metadata']['name']}.yaml": _bare(item) for item in children},
    }
    for folder, group in (("", pods), ("operator/", operators)):
        for pod in group:
            _add_pod(gateway, bundle, folder, pod, notes)
    secrets = _secret_values(gateway, namespace, [body, *children, *pods], notes)
    hidden = secret_texts(secrets, public=json.dumps({"is": body["metadata"]["name"], "spec": body["spec"]}))
    files = {path: _yaml(redacted(document, hidden)) for path, document in bundle.documents.items()}
    files |= {path: redacted_text(text, hidden) for path, text in bundle.logs.items()}
    return {"README.txt": redacted_text(_readme(body, now, notes), hidden), **files}


def pack(files: Mapping[str, str], folder: str, now: datetime) -> bytes:
    """Return the files as a gzipped tar archive with everything in one folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in files.items():
            data = text.encode()
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size, entry.mtime = len(data), int(now.timestamp())
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _add_pod(gateway: InspectionGateway, bundle: _Bundle, folder: str, pod: Body, notes: _Notes) -> None:
    name = pod["metadata"]["name"]
    bundle.documents[f"{folder}pods/{name}.yaml"] = _bare({"apiVersion": "v1", "kind": "Pod", **pod})
    restarted = {status["name"] for status in container_statuses(pod) if status.get("restartCount")}
    for container in (entry["name"] for entry in pod["spec"]["containers"]):
        for suffix, previous in (("", False), (".previous", True)):
            if previous and container not in restarted:
                continue
            read = partial(gateway.read_log, pod, container, lines=LOG_LINES, previous=previous)
            text = notes.attempt(read, "")
            bundle.logs[f"{folder}logs/{name}/{container}{suffix}.log"] = text


def _versions(gateway: InspectionGateway, pods: list[Body], operators: list[Body], notes: _Notes) -> dict[str, Any]:
    images = {entry["image"] for pod in (*pods, *operators) for entry in pod["spec"]["containers"]}
    return {
        "kubernetes": notes.attempt(gateway.version, "unknown"),
        "holded-cli": version("holded-cli"),
        "holded-operator (of this command, not of the cluster)": version("holded-operator"),
        "images": sorted(images),
    }


def _secret_values(gateway: InspectionGateway, namespace: str, documents: list[Body], notes: _Notes) -> list[bytes]:
    names = sorted({name for document in documents for name in _secret_names(document)})
    found = [notes.attempt(partial(gateway.read_secret, namespace, name), None) for name in names]
    return [value for values in found if values is not None for value in values.values()]


def _secret_names(document: Any, under: str = "") -> Iterator[str]:
    """Yield the names of the Secrets that a document refers to, in whichever of Kubernetes' ways."""
    if isinstance(document, Mapping):
        if "secret" in under.lower() and isinstance(document.get("name"), str):
            yield document["name"]
        for key, value in document.items():
            if key == "secretName" and isinstance(value, str):
                yield value
            yield from _secret_names(value, key)
    elif isinstance(document, list | tuple):
        for item in document:
            yield from _secret_names(item, under)


def _bare(item: Body) -> Body:
    metadata = {key: value for key, value in item["metadata"].items() if key not in _BOOKKEEPING}
    return {**item, "metadata": metadata}


def _yaml(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)


def _readme(body: Body, now: datetime, notes: _Notes) -> str:
    metadata = body["metadata"]
    missing = "".join(f"- {line}\n" for line in notes.lines) or "- nothing\n"
    return (
        f"HoldedPipeline {metadata['namespace']}/{metadata['name']} as it was at {now.isoformat(timespec='seconds')}.\n"
        "Secrets are left out; what looked like a credential reads [redacted]. Look through it before you send it.\n\n"
        f"Could not be read:\n{missing}"
    )
