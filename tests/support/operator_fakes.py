"""The operator's outside world in memory: every gateway, with the writes counted, failing on demand, killable.

A `World` outlives the operator: a test kills one `Reconciler` at its k-th write and starts another on the same world.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from holded_operator.config import OperatorConfig
from holded_operator.constants import API_VERSION, FINALIZER, KIND
from holded_operator.context import Context
from holded_operator.desired import Images
from holded_operator.exceptions import IncompatibleSchemaError, OperatorError, StaleObjectError
from holded_operator.gateways.interfaces import (
    Applied,
    Body,
    Change,
    DatabaseAccess,
    KafkaAccess,
    LedgerTotals,
    RegisteredSchema,
    RegistryAccess,
    TopicState,
    is_owned_by,
)
from holded_operator.gateways.objects import refuse_foreign
from holded_operator.reconciler import Reconciler

BROKER_DEFAULT_REPLICATION = 1


class KilledError(BaseException):
    """The operator's process died here; no handler of the operator's may catch it."""


@dataclass
class Writes:
    """Everything written to the outside, in order; `kill_at` counts from 1."""

    done: list[str] = field(default_factory=list)
    tried: int = 0
    kill_at: int | None = None
    kill_after_effect: bool = False

    def begin(self, what: str) -> None:
        self.tried += 1
        if self.tried == self.kill_at and not self.kill_after_effect:
            raise KilledError(what)

    def end(self, what: str) -> None:
        self.done.append(what)
        if self.tried == self.kill_at and self.kill_after_effect:
            raise KilledError(what)


class _Fake:
    def __init__(self, writes: Writes) -> None:
        self.writes = writes
        self.error: OperatorError | None = None
        """Raised by every call while it is set."""

    def _call(self) -> None:
        if self.error is not None:
            raise self.error


class FakeKubernetes(_Fake):
    """An API server with one namespace's worth of state, that does what the controllers would do when asked to."""

    def __init__(self, writes: Writes) -> None:
        super().__init__(writes)
        self.pipelines: dict[str, Body] = {}
        self.objects: dict[tuple[str, str], Body] = {}
        self.rendered: dict[tuple[str, str], Body] = {}
        self.secrets: dict[str, dict[str, bytes]] = {}
        self.pods: list[Body] = []
        self.events: list[tuple[str, str, str]] = []
        self.refusals: dict[str, OperatorError] = {}
        """By kind: raised when an object of it is applied."""
        self._uids = 0

    # -- what users and controllers do --

    def create(self, body: Body) -> None:
        self._uids += 1
        metadata = {"uid": f"cr-{self._uids}", "generation": 1, "resourceVersion": "1", **body["metadata"]}
        self.pipelines[metadata["name"]] = {**copy.deepcopy(body), "metadata": metadata}

    def edit(self, name: str, **spec: Any) -> None:
        body = self.pipelines[name]
        body["spec"] = {**body["spec"], **spec}
        body["metadata"]["generation"] += 1

    def request_deletion(self, name: str) -> None:
        body = self.pipelines[name]
        body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        if not body["metadata"].get("finalizers"):
            self._collect(name)

    def make_ready(self) -> None:
        """Let every workload's pods be ready, as the kubelet would."""
        for (kind, _), item in self.objects.items():
            if kind in {"Deployment", "StatefulSet"}:
                replicas = item["spec"].get("replicas", 1)
                item["status"] = {
                    "observedGeneration": item["metadata"]["generation"],
                    "replicas": replicas,
                    "readyReplicas": replicas,
                    "updatedReplicas": replicas,
                }

    def finish_foreground_deletions(self) -> None:
        for key, item in list(self.objects.items()):
            if item["metadata"].get("deletionTimestamp"):
                del self.objects[key]

    def _collect(self, name: str) -> None:
        uid = self.pipelines.pop(name)["metadata"]["uid"]
        self.objects = {key: item for key, item in self.objects.items() if not is_owned_by(item, uid)}

    # -- the gateway --

    def get_pipeline(self, namespace: str, name: str) -> Body | None:
        self._call()
        return copy.deepcopy(self.pipelines.get(name))

    def list_pipelines(self, namespaces: Sequence[str]) -> list[tuple[str, str]]:
        self._call()
        return [(body["metadata"]["namespace"], name) for name, body in self.pipelines.items()]

    def set_finalizers(self, pipeline: Body, finalizers: Sequence[str]) -> Body | None:
        self._call()
        self.writes.begin("finalizers")
        name = pipeline["metadata"]["name"]
        live = self.pipelines.get(name)
        if live is None:
            return None
        if live["metadata"]["resourceVersion"] != pipeline["metadata"]["resourceVersion"]:
            raise StaleObjectError(name)
        self._touch(live)
        live["metadata"]["finalizers"] = list(finalizers)
        if live["metadata"].get("deletionTimestamp") and not finalizers:
            self._collect(name)
        self.writes.end("finalizers")
        return copy.deepcopy(live)

    def write_status(self, pipeline: Body, status: Body) -> None:
        self._call()
        self.writes.begin("status")
        live = self.pipelines[pipeline["metadata"]["name"]]
        live["status"] = copy.deepcopy(status)
        self._touch(live)
        self.writes.end("status")

    def read_secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        self._call()
        return self.secrets.get(name)

    def list_children(self, pipeline: Body) -> list[Body]:
        self._call()
        uid = pipeline["metadata"]["uid"]
        return [copy.deepcopy(item) for item in self.objects.values() if is_owned_by(item, uid)]

    def list_pods(self, pipeline: Body, component: str) -> list[Body]:
        self._call()
        return [pod for pod in self.pods if pod["metadata"]["labels"].get("app.kubernetes.io/component") == component]

    def get(self, template: Body) -> Body | None:
        self._call()
        return copy.deepcopy(self.objects.get((template["kind"], template["metadata"]["name"])))

    def apply(self, pipeline: Body, wanted: Body, live: Body | None) -> Applied:
        self._call()
        if wanted["kind"] in self.refusals:
            raise self.refusals[wanted["kind"]]
        if live is not None:
            refuse_foreign(pipeline, live)
        key = (wanted["kind"], wanted["metadata"]["name"])
        current = self.objects.get(key)
        if current is not None and _holds(current, wanted) and self.rendered.get(key) == wanted:
            return Applied(Change.UNCHANGED, copy.deepcopy(current))
        self.writes.begin(f"apply {key[0]} {key[1]}")
        merged = copy.deepcopy(wanted)
        if current is None:
            self._uids += 1
            merged["metadata"] |= {"uid": f"object-{self._uids}", "generation": 1}
        else:
            before = current["metadata"]
            merged["metadata"] |= {"uid": before["uid"], "generation": before["generation"] + 1}
            merged["status"] = current.get("status", {})
        self.objects[key] = merged
        self.rendered[key] = copy.deepcopy(wanted)
        self.writes.end(f"apply {key[0]} {key[1]}")
        return Applied(Change.CREATED if current is None else Change.UPDATED, copy.deepcopy(merged))

    def delete(self, live: Body, *, wait_for_dependents: bool = False) -> None:
        self._call()
        what = f"delete {live['kind']} {live['metadata']['name']}"
        self.writes.begin(what)
        key = (live["kind"], live["metadata"]["name"])
        if wait_for_dependents and key in self.objects:
            self.objects[key]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            self.objects.pop(key, None)
        self.writes.end(what)

    def emit(self, pipeline: Body, *, kind: str, reason: str, message: str) -> None:
        self.events.append((kind, reason, message))

    @staticmethod
    def _touch(live: Body) -> None:
        live["metadata"]["resourceVersion"] = str(int(live["metadata"]["resourceVersion"]) + 1)


class FakeKafka(_Fake):
    """A cluster of topics."""

    def __init__(self, writes: Writes) -> None:
        super().__init__(writes)
        self.topics: dict[str, TopicState] = {}
        self.ends: dict[str, dict[int, int]] = {}
        self.committed: dict[str, dict[int, int]] = {}
        self.offsets_error: OperatorError | None = None

    def describe_topics(self, access: KafkaAccess, names: Collection[str]) -> dict[str, TopicState]:
        self._call()
        return {name: self.topics[name] for name in names if name in self.topics}

    def create_topic(
        self,
        access: KafkaAccess,
        name: str,
        *,
        partitions: int,
        replication_factor: int | None,
        config: Mapping[str, str],
    ) -> None:
        self._call()
        self.writes.begin(f"create topic {name}")
        self.topics.setdefault(
            name,
            TopicState(
                name=name,
                topic_id=f"id-{name}",
                partitions=partitions,
                replication_factor=replication_factor or BROKER_DEFAULT_REPLICATION,
                config=dict(config),
                overrides=frozenset(config),
            ),
        )
        self.writes.end(f"create topic {name}")

    def add_partitions(self, access: KafkaAccess, name: str, total: int) -> None:
        self._call()
        self.writes.begin(f"grow topic {name}")
        self._replace(name, partitions=total)
        self.writes.end(f"grow topic {name}")

    def alter_config(self, access: KafkaAccess, name: str, values: Mapping[str, str]) -> None:
        self._call()
        self.writes.begin(f"configure topic {name}")
        self._replace(name, config={**self.topics[name].config, **values})
        self.writes.end(f"configure topic {name}")

    def delete_topic(self, access: KafkaAccess, name: str) -> bool:
        self._call()
        self.writes.begin(f"delete topic {name}")
        existed = self.topics.pop(name, None) is not None
        self.writes.end(f"delete topic {name}")
        return existed

    def end_offsets(self, access: KafkaAccess, name: str, partitions: int) -> dict[int, int]:
        self._call()
        if self.offsets_error is not None:
            raise self.offsets_error
        return self.ends.get(name, dict.fromkeys(range(partitions), 0))

    def committed_offsets(self, access: KafkaAccess, group: str, topic: str, partitions: int) -> dict[int, int]:
        self._call()
        return self.committed.get(group, {})

    def _replace(self, name: str, **changes: Any) -> None:
        self.topics[name] = TopicState(**{**vars(self.topics[name]), **changes})


class FakeRegistry(_Fake):
    """Subjects in memory; what is in `incompatible` breaks its subject's rule."""

    def __init__(self, writes: Writes) -> None:
        super().__init__(writes)
        self.subjects: dict[str, list[str]] = {}
        self.levels: dict[str, str] = {}
        self.incompatible: dict[str, list[str]] = {}
        self.refusal = "b at /fields/1"

    def find(self, access: RegistryAccess, subject: str, schema: str) -> RegisteredSchema | None:
        self._call()
        versions = self.subjects.get(subject, [])
        if schema not in versions:
            return None
        return RegisteredSchema(schema_id=abs(hash(schema)) % 1000, version=versions.index(schema) + 1)

    def incompatibilities(self, access: RegistryAccess, subject: str, schema: str) -> list[str] | None:
        self._call()
        return self.incompatible.get(subject)

    def register(self, access: RegistryAccess, subject: str, schema: str) -> RegisteredSchema:
        self._call()
        if subject in self.incompatible:
            raise IncompatibleSchemaError(subject, "rule", [self.refusal])
        self.writes.begin(f"register {subject}")
        versions = self.subjects.setdefault(subject, [])
        if schema not in versions:
            versions.append(schema)
        self.writes.end(f"register {subject}")
        found = self.find(access, subject, schema)
        assert found is not None
        return found

    def compatibility(self, access: RegistryAccess, subject: str) -> str | None:
        self._call()
        return self.levels.get(subject)

    def set_compatibility(self, access: RegistryAccess, subject: str, level: str) -> None:
        self._call()
        self.writes.begin(f"level {subject}")
        self.levels[subject] = level
        self.writes.end(f"level {subject}")

    def delete_subject(self, access: RegistryAccess, subject: str) -> bool:
        self._call()
        self.writes.begin(f"delete subject {subject}")
        existed = self.subjects.pop(subject, None) is not None
        self.levels.pop(subject, None)
        self.writes.end(f"delete subject {subject}")
        return existed


class FakeDatabase(_Fake):
    """One database with two migrations."""

    MIGRATIONS = ("0001.first", "0002.second")

    def __init__(self, writes: Writes) -> None:
        super().__init__(writes)
        self.applied: list[str] | None = None
        self.totals: LedgerTotals | None = LedgerTotals(former=0, gold=0, dead_letters=0, duplicates=0)
        self.ledger_error: OperatorError | None = None

    def migrate(self, access: DatabaseAccess) -> tuple[str, ...]:
        self._call()
        pending = [name for name in self.MIGRATIONS if name not in (self.applied or [])]
        for name in pending:
            self.writes.begin(f"migrate {name}")
            self.applied = [*(self.applied or []), name]
            self.writes.end(f"migrate {name}")
        return tuple(pending)

    def ledger(self, access: DatabaseAccess, raw_topic_id: str) -> LedgerTotals | None:
        self._call()
        if self.ledger_error is not None:
            raise self.ledger_error
        return self.totals

    def drop(self, access: DatabaseAccess) -> bool:
        self._call()
        self.writes.begin("drop database")
        existed, self.applied = self.applied is not None, None
        self.writes.end("drop database")
        return existed


class World:
    """All outside systems together, and a clock."""

    def __init__(self) -> None:
        self.writes = Writes()
        self.kubernetes = FakeKubernetes(self.writes)
        self.kafka = FakeKafka(self.writes)
        self.registry = FakeRegistry(self.writes)
        self.database = FakeDatabase(self.writes)
        self.seconds = 0.0
        self.kubernetes.secrets["mysql"] = {"username": b"holded", "password": b"correct-horse"}

    def operator(self) -> Reconciler:
        """Return a freshly started operator, which remembers nothing."""
        return Reconciler(
            Context(
                config=OperatorConfig(migrations_dir=Path("/nowhere")),
                images=Images(collector="c:1", worker="w:1", sink="s:1"),
                kubernetes=self.kubernetes,
                kafka=self.kafka,
                registry=self.registry,
                database=self.database,
                now=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds),
                clock=lambda: self.seconds,
            )
        )

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


def _holds(live: Any, wanted: Any) -> bool:
    """Tell whether a live value still has all that was rendered."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and _holds(live[key], value) for key, value in wanted.items())
    return bool(live == wanted)


def _content(item: Body) -> Body:
    metadata = {key: value for key, value in item["metadata"].items() if key not in {"uid", "generation"}}
    return {**item, "metadata": metadata, "status": None}


def _without_times(status: Any) -> Any:
    if isinstance(status, dict):
        return {key: _without_times(value) for key, value in status.items() if key not in {"lastTransitionTime", "at"}}
    if isinstance(status, list):
        return [_without_times(item) for item in status]
    return status
