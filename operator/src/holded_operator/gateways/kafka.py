"""Kafka through librdkafka's admin client.

One client per way of access is kept: making one costs a thread and a connection per broker, and a pass comes every few
seconds. librdkafka retries for ever in the background and then only says "timed out"; the cause (refused, unknown host,
no trust, failed authentication) stands in its log lines, which is why each client has a `ConnectionLog`.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from holded_contracts.io.kafka import NO_CONNECTION, ConnectionLog
from holded_operator.exceptions import KafkaRefusedError, KafkaUnavailableError
from holded_operator.gateways.interfaces import KafkaAccess, TopicState

REQUEST_TIMEOUT_SECONDS = 8.0
"""Time for one request to be answered; a broker that is up answers in milliseconds."""

CLIENTS_KEPT = 32
"""Clients of this many different ways of access stay open; the longest unused one goes first."""
CLIENT_IDLE_SECONDS = 600.0
"""A client that no pass has used for so long goes: one of a former password would knock at the brokers for ever."""

BROKER_DEFAULT = -1
"""Replication factor that asks for the brokers' default (KIP-464)."""

_TRANSIENT = NO_CONNECTION | {
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_CONTROLLER,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
}


class _Client:
    """An admin client with what its background connections meet."""

    def __init__(self, access: KafkaAccess) -> None:
        self._connections = ConnectionLog()
        self.admin = AdminClient(client_config(access), logger=self._connections)

    def succeeded(self) -> None:
        """Forget what went wrong before."""
        self.admin.poll(0)
        self._connections.clear()

    def diagnose(self, error: KafkaError) -> tuple[bool, str]:
        """Return whether the broker refused (else it could not be reached), and what happened."""
        said = self._connections.explain(error, self.admin.poll)
        return error.code() not in _TRANSIENT or self._connections.refused, said


class _Kept[K, V]:
    """Clients by what they are for, the longest unused first."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._kept: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the client of a key, made now if there is none, and let go of those that nobody has used for long."""
        now = time.monotonic()
        found = self._kept.pop(key, None)
        value = make() if found is None else found[0]
        self._kept[key] = value, now
        # Not closed here: another thread may be using it; it closes with its last reference.
        while len(self._kept) > CLIENTS_KEPT or next(iter(self._kept.values()))[1] < now - self._idle_seconds:
            self._kept.popitem(last=False)
        return value

    def clear(self) -> list[V]:
        """Let go of all and return them."""
        values = [value for value, _ in self._kept.values()]
        self._kept.clear()
        return values


class KafkaAdmin:
    """The `KafkaGateway` of production. Safe for use by several threads."""

    def __init__(
        self,
        *,
        request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
        client_idle_seconds: float = CLIENT_IDLE_SECONDS,
    ) -> None:
        self._timeout = request_timeout_seconds
        self._clients = _Kept[KafkaAccess, _Client](client_idle_seconds)
        self._consumers = _Kept[tuple[KafkaAccess, str], Any](client_idle_seconds)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Drop all clients."""
        with self._lock:
            self._clients.clear()
            for consumer in self._consumers.clear():
                consumer.close()

    def describe_topics(self, access: KafkaAccess, names: Collection[str]) -> dict[str, TopicState]:
        """Return the topics that exist, by name."""
        with self._client(access, "describe topics") as client:
            asked = client.admin.describe_topics(TopicCollection(list(names)), request_timeout=self._timeout)
            found = {name: self._unless_missing(future.result) for name, future in asked.items()}
            described = {name: topic for name, topic in found.items() if topic is not None}
            configs = self._configs(client.admin, described)
        return {
            name: TopicState(
                name=name,
                topic_id=str(topic.topic_id),
                partitions=len(topic.partitions),
                replication_factor=min((len(partition.replicas) for partition in topic.partitions), default=0),
                config=configs[name][0],
                overrides=configs[name][1],
            )
            for name, topic in described.items()
            if name in configs
        }

    def create_topic(
        self,
        access: KafkaAccess,
        name: str,
        *,
        partitions: int,
        replication_factor: int | None,
        config: Mapping[str, str],
    ) -> None:
        """Create a topic; None as replication factor takes the brokers' default. Existing already is no error."""
        wanted = NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=BROKER_DEFAULT if replication_factor is None else replication_factor,
            config=dict(config),
        )
        with self._client(access, f"create topic {name!r}") as client:
            created = client.admin.create_topics([wanted], request_timeout=self._timeout)
            self._unless(KafkaError.TOPIC_ALREADY_EXISTS, created[name].result)

    def add_partitions(self, access: KafkaAccess, name: str, total: int) -> None:
        """Grow a topic to this many partitions."""
        with self._client(access, f"grow topic {name!r} to {total} partitions") as client:
            grown = client.admin.create_partitions([NewPartitions(name, total)], request_timeout=self._timeout)
            grown[name].result()

    def alter_config(
        self, access: KafkaAccess, name: str, values: Mapping[str, str], reset: Collection[str] = ()
    ) -> None:
        """Set these settings of a topic and give others the brokers' default again; all others stay."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in values.items()
        ] + [ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE) for key in reset]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        with self._client(access, f"set {', '.join([*values, *reset])} of topic {name!r}") as client:
            altered = client.admin.incremental_alter_configs([resource], request_timeout=self._timeout)
            for future in altered.values():
                future.result()

    def delete_topic(self, access: KafkaAccess, name: str) -> bool:
        """Delete a topic; False when it did not exist."""
        with self._client(access, f"delete topic {name!r}") as client:
            deleted = client.admin.delete_topics([name], request_timeout=self._timeout)
            return self._unless(KafkaError.UNKNOWN_TOPIC_OR_PART, deleted[name].result)

    def end_offsets(self, access: KafkaAccess, name: str, partitions: int) -> dict[int, int]:
        """Return the end offset of every partition (read_uncommitted: the log's end)."""
        asked = {TopicPartition(name, number): OffsetSpec.latest() for number in range(partitions)}
        with self._client(access, f"read the end offsets of {name!r}") as client:
            # librdkafka asks the leaders it remembers, and would not hear of new partitions for 15 minutes.
            client.admin.list_topics(name, timeout=self._timeout)
            answers = client.admin.list_offsets(asked, request_timeout=self._timeout)
            return {place.partition: int(future.result().offset) for place, future in answers.items()}

    def committed_offsets(self, access: KafkaAccess, group: str, topic: str, partitions: int) -> dict[int, int]:
        """Return the offsets a consumer group has committed; a partition without one is missing.

        By a consumer that never joins, because the admin client's ListConsumerGroupOffsets kills the process
        (SIGSEGV in rd_kafka_cgrp_op, librdkafka issue 5040) when the group's coordinator has just moved or is new.
        """
        places = [TopicPartition(topic, number) for number in range(partitions)]
        try:
            answers = self._consumer(access, group).committed(places, timeout=self._timeout)
        except KafkaException as error:
            raise KafkaUnavailableError(
                access.bootstrap_servers, f"offsets of {group!r}: {error.args[0].str()}"
            ) from error
        return {place.partition: int(place.offset) for place in answers if place.offset >= 0 and place.error is None}

    def _configs(self, admin: Any, names: Collection[str]) -> dict[str, tuple[dict[str, str], frozenset[str]]]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = admin.describe_configs(resources, request_timeout=self._timeout)
        found = {resource.name: self._unless_missing(future.result) for resource, future in answers.items()}
        return {
            name: (
                {key: entry.value for key, entry in entries.items() if entry.value is not None},
                frozenset(
                    key
                    for key, entry in entries.items()
                    if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value and not entry.is_read_only
                ),
            )
            for name, entries in found.items()
            if entries is not None
        }

    @contextmanager
    def _client(self, access: KafkaAccess, what: str) -> Iterator[_Client]:
        client = self._opened(access)
        try:
            yield client
        except KafkaException as error:
            refused, cause = client.diagnose(error.args[0])
            if refused:
                raise KafkaRefusedError(what, f"{cause} (at {access.bootstrap_servers})") from error
            raise KafkaUnavailableError(access.bootstrap_servers, cause) from error
        client.succeeded()

    def _opened(self, access: KafkaAccess) -> _Client:
        with self._lock:
            try:
                return self._clients.get(access, lambda: _Client(access))
            except (KafkaException, ValueError) as error:
                # librdkafka checks certificates and mechanisms when the client is made.
                cause = error.args[0].str() if isinstance(error, KafkaException) else str(error)
                raise KafkaRefusedError("be asked with the settings of spec.kafka", cause) from error

    def _consumer(self, access: KafkaAccess, group: str) -> Any:
        config = client_config(access) | {"group.id": group, "enable.auto.commit": False, "log_level": 0}
        with self._lock:
            return self._consumers.get((access, group), lambda: Consumer(config))

    @staticmethod
    def _unless(code: int, result: Callable[[], object]) -> bool:
        """Return True when the request succeeded, False when it failed with exactly this code."""
        try:
            result()
        except KafkaException as error:
            if error.args[0].code() == code:
                return False
            raise
        return True

    @staticmethod
    def _unless_missing(result: Callable[[], Any]) -> Any:
        try:
            return result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise


def client_config(access: KafkaAccess) -> dict[str, str | int]:
    """Return the librdkafka properties of a way of access."""
    optional = {
        "sasl.mechanism": access.sasl_mechanism,
        "sasl.username": access.username,
        "sasl.password": access.password,
        "ssl.ca.pem": access.ca,
        "ssl.certificate.pem": access.certificate,
        "ssl.key.pem": access.key,
    }
    return {
        "bootstrap.servers": access.bootstrap_servers,
        "security.protocol": access.security_protocol,
        "client.id": "holded-operator",
        "socket.connection.setup.timeout.ms": 5000,
        "reconnect.backoff.max.ms": 5000,
        **{key: value for key, value in optional.items() if value is not None},
    }
