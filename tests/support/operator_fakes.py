"""The operator's outside world in memory: every gateway, with the writes counted, failing on demand, killable.

A `World` outlives the operator: a test kills one `Reconciler` at its k-th write and starts another on the same world.
"""

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from holded_operator.config import OperatorConfig
from holded_operator.constants import API_VERSION, FINALIZER, KIND
from holded_operator.context import Context
from holded_operator.desired import Images
from holded_operator.gateways.interfaces import (
    Body,
    CanarySeen,
)
from holded_operator.reconciler import Reconciler, Verdict
from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.fake_systems import FakeDatabase, FakeFlink, FakeKafka, FakeRegistry
from tests.support.fake_writes import Writes


class World:
    """All outside systems together, and a clock."""

    def __init__(self) -> None:
        self.writes = Writes()
        self.kubernetes = FakeKubernetes(self.writes)
        self.kafka = FakeKafka(self.writes)
        self.registry = FakeRegistry(self.writes)
        self.database = FakeDatabase(self.writes)
        self.flink = FakeFlink()
        self.seconds = 0.0
        self.database.canary = lambda: CanarySeen(self.now(), 420)
        self.kubernetes.secrets["mysql"] = {"username": b"holded", "password": b"correct-horse"}

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def operator(self) -> Reconciler:
        """Return a freshly started operator, which remembers nothing."""
        return Reconciler(self.context())

    def context(self) -> Context:
        """Return what an operator works with."""
        return Context(
            config=OperatorConfig(migrations_dir=Path("/nowhere")),
            images=Images(collector="c:1", worker="w:1", sink="s:1"),
            kubernetes=self.kubernetes,
            kafka=self.kafka,
            registry=self.registry,
            database=self.database,
            flink=self.flink,
            now=self.now,
            clock=lambda: self.seconds,
        )

    def converged(self) -> Reconciler:
        """Return an operator that has brought the pipeline tests/demo to its end state; what it wrote is forgotten."""
        operator = self.operator()
        for _ in range(4):
            verdict = operator.reconcile("tests", "demo").verdict
            self.kubernetes.make_ready()
        assert verdict is Verdict.CONVERGED
        self.forget_writes()
        return operator

    def forget_writes(self) -> None:
        self.writes.done.clear()
        self.writes.tried = 0

    def state(self) -> dict[str, Any]:
        """Return what an onlooker can see of the outside, without what counts passes (uids, versions, times)."""
        seen = {
            "objects": {key: _content(item) for key, item in sorted(self.kubernetes.objects.items())},
            "topics": dict(sorted(self.kafka.topics.items())),
            "subjects": dict(sorted(self.registry.subjects.items())),
            "levels": dict(sorted(self.registry.levels.items())),
            "migrations": self.database.applied,
            "pipelines": {
                name: {
                    "finalizers": body["metadata"].get("finalizers"),
                    "status": _without_times(body.get("status") or {}),
                }
                for name, body in self.kubernetes.pipelines.items()
            },
        }
        return copy.deepcopy(seen)


def pipeline(name: str = "demo", **spec: Any) -> Body:
    """Return a minimal resource; keyword arguments are further fields of its spec."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": "tests"},
        "spec": {
            "kafka": {"bootstrapServers": "kafka:9092"},
            "schemaRegistry": {"url": "http://registry/apis/ccompat/v7"},
            "mysql": {"host": "mysql", "credentialsSecretRef": {"name": "mysql"}},
            **spec,
        },
    }


def condition(world: World, kind: str, name: str = "demo") -> dict[str, Any]:
    """Return one condition of a resource's status."""
    conditions = world.kubernetes.pipelines[name]["status"]["conditions"]
    found: dict[str, Any] = next(entry for entry in conditions if entry["type"] == kind)
    return found


def has_finalizer(world: World, name: str = "demo") -> bool:
    return FINALIZER in (world.kubernetes.pipelines[name]["metadata"].get("finalizers") or [])


def _content(item: Body) -> Body:
    metadata = {key: value for key, value in item["metadata"].items() if key not in {"uid", "generation"}}
    return {**item, "metadata": metadata, "status": None}


def _without_times(status: Any) -> Any:
    if isinstance(status, dict):
        return {key: _without_times(value) for key, value in status.items() if key not in {"lastTransitionTime", "at"}}
    if isinstance(status, list):
        return [_without_times(item) for item in status]
    return status


def converge(world: World) -> Verdict:
    """Run three passes of a fresh operator over tests/demo, whose pods get ready after the first; return the last verdict."""
    operator = world.operator()
    operator.reconcile("tests", "demo")
    world.kubernetes.make_ready()
    operator.reconcile("tests", "demo")
    return operator.reconcile("tests", "demo").verdict
