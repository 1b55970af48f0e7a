"""A world with a pipeline in it, and the plugin run against it."""

import copy
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from holded_cli.cluster import access
from holded_cli.main import app
from tests.support.operator_fakes import World, pipeline

NAMESPACE = "tests"
RULE = {"context": "payroll", "domains": ["Team"], "entities": ["Payslip"], "actions": ["created"]}


def pod(component: str, *, ready: bool = True, waiting: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a pod of the pipeline `demo`."""
    state = {"waiting": waiting} if waiting else {"running": {}}
    container = {"name": component, "image": "i:1", "restartCount": 2 if waiting else 0, "state": state}
    return {
        "metadata": {
            "name": f"demo-{component}-0",
            "namespace": NAMESPACE,
            "uid": f"pod-{component}",
            "labels": {"app.kubernetes.io/component": component, "app.kubernetes.io/instance": "demo"},
        },
        "spec": {"containers": [{"name": component, "image": "i:1"}]},
        "status": {
            "containerStatuses": [container],
            "conditions": [{"type": "Ready", "status": str(ready and not waiting)}],
        },
    }


def event(kind: str, uid: str, *, at: str, message: str = "it failed", severity: str = "Warning") -> dict[str, Any]:
    """Return an Event as core/v1 lists it."""
    return {
        "metadata": {"name": f"e.{uid}.{at}", "creationTimestamp": at},
        "involvedObject": {"kind": kind, "name": "demo", "uid": uid},
        "type": severity,
        "reason": "Failed",
        "message": message,
        "lastTimestamp": at,
        "count": 1,
    }


def running(secrets: dict[str, dict[str, bytes]] | None = None, **spec: Any) -> World:
    """Return a world whose pipeline `demo` is Ready."""
    world = World()
    world.kubernetes.secrets |= secrets or {}
    world.kubernetes.create(pipeline(**spec))
    reconcile(world)
    world.kubernetes.make_ready()
    world.kubernetes.pods = [pod(component) for component in ("collector", "worker", "sink")]
    reconcile(world)
    world.forget_writes()
    return world


def reconcile(world: World, name: str = "demo") -> None:
    """Let a freshly started operator do a pass."""
    world.operator().reconcile(NAMESPACE, name)


def plugin(
    world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: dict[str, Any] | None = None
) -> Result:
    """Run the plugin against a world; wide enough that no line is folded."""
    monkeypatch.setattr(access, "connect", lambda context: (world.kubernetes, NAMESPACE))
    text = None if stdin is None else yaml.safe_dump(stdin)
    return CliRunner(env={"COLUMNS": "400"}).invoke(app, list(arguments), input=text)


def manifest(world: World, **spec: Any) -> dict[str, Any]:
    """Return what a user would apply: the live resource's spec with these fields changed."""
    body = copy.deepcopy(pipeline())
    return body | {"spec": world.kubernetes.pipelines["demo"]["spec"] | spec}
