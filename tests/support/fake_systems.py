"""Kafka, registry and MySQL in memory, as the operator sees them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from holded_operator.exceptions import IncompatibleSchemaError, OperatorError
from holded_operator.gateways.interfaces import (
    CanarySeen,
    DatabaseAccess,
    FlinkJob,
    KafkaAccess,
    LedgerTotals,
    RegisteredSchema,
    RegistryAccess,
    TopicState,
)
from tests.support.fake_writes import Fake, Writes

BROKER_DEFAULT_REPLICATION = 1


class FakeFlink:
    """The submitters of pipelines on Flink."""

    def __init__(self) -> None:
        self.jobs: dict[str, FlinkJob] = {}

    def job(self, namespace: str, name: str) -> FlinkJob | None:
        return self.jobs.get(name)


class FakeKafka(Fake):
    """A cluster of topics."""

    def __init__(self, writes: Writes) -> None:
        super().__init__(writes)
        self.topics: dict[str, TopicState] = {}
        self.ends: dict[str, dict[int, int]] = {}
        self.committed: dict[str, dict[int, int]] = {}
        self.offsets_error: OperatorError | None = None
        self.addresses: dict[str, str] = {}
        """Bootstrap servers that lead to the Kafka of other ones; every other address is a Kafka of its own."""

    def describe_topics(self, access: KafkaAccess, names: Collection[str]) -> dict[str, TopicState]:
        self.call()
        address = self.addresses.get(access.bootstrap_servers, access.bootstrap_servers)
        found = {name: self.topics[name] for name in names if name in self.topics}
        return {name: replace(state, topic_id=f"{state.topic_id} at {address}") for name, state in found.items()}

    def create_topic(
        self,
        access: KafkaAccess,
        name: str,
        *,
        partitions: int,
        replication_factor: int | None,
        config: Mapping[str, str],
    ) -> None:
        self.call()
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
        self.call()
        self.writes.begin(f"grow topic {name}")
        self._replace(name, partitions=total)
        self.writes.end(f"grow topic {name}")

    def alter_config(
        self, access: KafkaAccess, name: str, values: Mapping[str, str], reset: Collection[str] = ()
    ) -> None:
        self.call()
        self.writes.begin(f"configure topic {name}")
        before = self.topics[name]
        config = {**{key: value for key, value in before.config.items() if key not in reset}, **values}
        self._replace(name, config=config, overrides=before.overrides.difference(reset).union(values))
        self.writes.end(f"configure topic {name}")

    def delete_topic(self, access: KafkaAccess, name: str) -> bool:
        self.call()
        self.writes.begin(f"delete topic {name}")
        existed = self.topics.pop(name, None) is not None
        self.writes.end(f"delete topic {name}")
        return existed

    def end_offsets(self, access: KafkaAccess, name: str, partitions: int) -> dict[int, int]:
        self.call()
        if self.offsets_error is not None:
            raise self.offsets_error
        return self.ends.get(name, dict.fromkeys(range(partitions), 0))

    def committed_offsets(self, access: KafkaAccess, group: str, topic: str, partitions: int) -> dict[int, int]:
        self.call()
        return self.committed.get(group, {})

    def _replace(self, name: str, **changes: Any) -> None:
        self.topics[name] = TopicState(**{**vars(self.topics[name]), **changes})


class FakeRegistry(Fake):
    """Subjects in memory; what is in `incompatible` breaks its subject's rule."""

    def __init__(self, writes: Writes) -> None:
        super().__init__(writes)
        self.subjects: dict[str, list[str]] = {}
        self.levels: dict[str, str] = {}
        self.incompatible: dict[str, list[str]] = {}
        self.refusal = "b at /fields/1"

    def find(self, access: RegistryAccess, subject: str, schema: str) -> RegisteredSchema | None:
        self.call()
        versions = self.subjects.get(subject, [])
        if schema not in versions:
            return None
        return RegisteredSchema(schema_id=abs(hash(schema)) % 1000, version=versions.index(schema) + 1)

    def incompatibilities(self, access: RegistryAccess, subject: str, schema: str) -> list[str] | None:
        self.call()
        return self.incompatible.get(subject)

    def register(self, access: RegistryAccess, subject: str, schema: str) -> RegisteredSchema:
        self.call()
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
        self.call()
        return self.levels.get(subject)

    def set_compatibility(self, access: RegistryAccess, subject: str, level: str) -> None:
        self.call()
        self.writes.begin(f"level {subject}")
        self.levels[subject] = level
        self.writes.end(f"level {subject}")

    def delete_subject(self, access: RegistryAccess, subject: str) -> bool:
        self.call()
        self.writes.begin(f"delete subject {subject}")
        existed = self.subjects.pop(subject, None) is not None
        self.levels.pop(subject, None)
        self.writes.end(f"delete subject {subject}")
        return existed


class FakeDatabase(Fake):
    """One database with two migrations."""

    MIGRATIONS = ("0001.first", "0002.second")

    def __init__(self, writes: Writes) -> None:
        super().__init__(writes)
        self.applied: list[str] | None = None
        self.totals: LedgerTotals | None = LedgerTotals(former=0, gold=0, dead_letters=0, duplicates=0)
        self.canary: Callable[[], CanarySeen | None] = lambda: CanarySeen(datetime.now(UTC), 420)
        """The newest canary; as it is, they arrive."""
        self.ledger_error: OperatorError | None = None
        self.partitioned_until: date | None = date(2100, 1, 1)
        self.partitions_error: OperatorError | None = None

    def migrate(self, access: DatabaseAccess) -> tuple[str, ...]:
        self.call()
        pending = [name for name in self.MIGRATIONS if name not in (self.applied or [])]
        for name in pending:
            self.writes.begin(f"migrate {name}")
            self.applied = [*(self.applied or []), name]
            self.writes.end(f"migrate {name}")
        return tuple(pending)

    def ledger(self, access: DatabaseAccess, raw_topic_id: str) -> LedgerTotals | None:
        self.call()
        if self.ledger_error is not None:
            raise self.ledger_error
        return None if self.totals is None else replace(self.totals, canary=self.canary())

    def partitions_end(self, access: DatabaseAccess) -> date | None:
        self.call()
        if self.partitions_error is not None:
            raise self.partitions_error
        return self.partitioned_until

    def drop(self, access: DatabaseAccess) -> bool:
        self.call()
        self.writes.begin("drop database")
        existed, self.applied = self.applied is not None, None
        self.writes.end("drop database")
        return existed
