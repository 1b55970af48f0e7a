"""Topics and databases that several pipelines name: the oldest keeps a topic, and what another uses is not deleted.

Two pipelines on one topic would mix their events, and the deletion policy of one would remove the data of the other.
Topic names are immutable, so whoever was there first stays the first; a pipeline that moves to another Kafka brings its
age along. One Kafka may have many addresses: it is known by one that two specs share, or by a topic's id, which their
status tells.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from types import MappingProxyType

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from holded_contracts.topics import subject
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.constants import KIND
from holded_operator.desired import DeletionPlan, TopicSpec
from holded_operator.exceptions import TopicClaimedError
from holded_operator.gateways.interfaces import Body, TopicState

type _Key = tuple[str, str]
type _Database = tuple[str, int, str]


@dataclass(frozen=True)
class _Claim:
    """What one version of a spec names; nothing when it cannot be read or is on its way out."""

    uid: str
    generation: int
    age: tuple[str, str, str]
    topics: frozenset[str] = frozenset()
    brokers: frozenset[str] = frozenset()
    topic_ids: frozenset[str] = frozenset()
    """Of the status: those that a pass has seen or made."""
    database: _Database | None = None


class Claims:
    """Who names what, each spec read once. Safe for use by several threads.

    A pass tells what its own resource names (`learn`), and asks for all others (`refresh`) before it makes anything for
    a new spec. Passes that ask at the same time share one list.
    """

    def __init__(self, read: Callable[[], Sequence[Body]]) -> None:
        """`read` returns all resources."""
        self._read = read
        self._refreshing = threading.Lock()
        self._begun = float("-inf")
        self._lock = threading.Lock()
        self._claims: dict[_Key, _Claim] = {}
        self._by_topic: defaultdict[str, set[_Key]] = defaultdict(set)
        self._by_database: defaultdict[_Database, set[_Key]] = defaultdict(set)

    def learn(self, body: Body) -> None:
        """Take note of a resource as it was just read."""
        with self._lock:
            self._note(body)

    def forget(self, namespace: str, name: str) -> None:
        """Take note that a resource is gone."""
        with self._lock:
            self._drop((namespace, name))

    def refresh(self) -> None:
        """Learn of all resources that there are now; raises what reading them raises."""
        asked = time.monotonic()
        with self._refreshing:
            if self._begun >= asked:
                return  # another pass has begun to read them after we asked
            begun = time.monotonic()
            with self._lock:
                before = set(self._claims)
            everybody = self._read()
            with self._lock:
                for body in everybody:
                    self._note(body)
                for key in before - {_key(body) for body in everybody}:
                    self._drop(key)
            self._begun = begun

    def check(
        self,
        pipeline: HoldedPipeline,
        body: Body,
        wanted: Sequence[TopicSpec],
        live: Mapping[str, TopicState] = MappingProxyType({}),
    ) -> None:
        """Refuse topics that an older pipeline has; `live` are those that Kafka is known to have, by name.

        Raises
        ------
        TopicClaimedError
            Naming the first such topic and its owner.
        """
        with self._lock:
            for spec in wanted:
                ids = {live[spec.name].topic_id} if spec.name in live else set[str]()
                for claim in self._others_on_topic(spec.name, body, _brokers(pipeline), ids):
                    if claim.age < _age(body):
                        raise TopicClaimedError(
                            f"spec.topics.{to_camel(spec.artefact.value)}.name",
                            spec.name,
                            owner=f"{KIND} {claim.age[1]}/{claim.age[2]}",
                        )

    def spare(self, plan: DeletionPlan, pipeline: HoldedPipeline, body: Body) -> DeletionPlan:
        """Return the plan without what another pipeline, older or younger, still uses."""
        brokers, named = _brokers(pipeline), {topic.name for _, topic in pipeline.spec.topics}
        with self._lock:
            used = {name for name in named if any(self._others_on_topic(name, body, brokers, _topic_ids(body)))}
            shared = any(self._others(self._by_database, _database(pipeline), body))
        subjects = {subject(topic) for topic in used}
        return replace(
            plan,
            topics=tuple(topic for topic in plan.topics if topic not in used),
            subjects=tuple(name for name in plan.subjects if name not in subjects),
            database=None if shared else plan.database,
        )

    def _others_on_topic(
        self, name: str, body: Body, brokers: frozenset[str], ids: AbstractSet[str]
    ) -> Iterator[_Claim]:
        """Yield who else names this topic in the same Kafka."""
        for claim in self._others(self._by_topic, name, body):
            if not (brokers.isdisjoint(claim.brokers) and ids.isdisjoint(claim.topic_ids)):
                yield claim

    def _others[K](self, index: Mapping[K, Iterable[_Key]], what: K, body: Body) -> Iterator[_Claim]:
        for key in sorted(index.get(what, ())):
            claim = self._claims[key]
            if claim.uid != body["metadata"]["uid"]:
                yield claim

    def _note(self, body: Body) -> None:
        metadata, key = body["metadata"], _key(body)
        if metadata.get("deletionTimestamp") is not None:
            self._drop(key)
            return
        known = self._claims.get(key)
        if known is not None and known.uid == metadata["uid"] and known.generation >= metadata["generation"]:
            self._claims[key] = replace(known, topic_ids=_topic_ids(body))
            return
        self._drop(key)
        claim = self._claims[key] = _claim(body)
        for topic in claim.topics:
            self._by_topic[topic].add(key)
        if claim.database is not None:
            self._by_database[claim.database].add(key)

    def _drop(self, key: _Key) -> None:
        claim = self._claims.pop(key, None)
        if claim is None:
            return
        for topic in claim.topics:
            self._by_topic[topic].discard(key)
            if not self._by_topic[topic]:
                del self._by_topic[topic]
        if claim.database is not None:
            self._by_database[claim.database].discard(key)
            if not self._by_database[claim.database]:
                del self._by_database[claim.database]


def _claim(body: Body) -> _Claim:
    metadata = body["metadata"]
    empty = _Claim(metadata["uid"], metadata["generation"], _age(body))
    try:
        pipeline = HoldedPipeline.from_body(body)
    except ValidationError:
        return empty
    return replace(
        empty,
        topics=frozenset(topic.name for _, topic in pipeline.spec.topics),
        brokers=_brokers(pipeline),
        topic_ids=_topic_ids(body),
        database=_database(pipeline),
    )


def _brokers(pipeline: HoldedPipeline) -> frozenset[str]:
    return frozenset(server.strip().lower() for server in pipeline.spec.kafka.bootstrap_servers.split(","))


def _topic_ids(body: Body) -> frozenset[str]:
    topics = (body.get("status") or {}).get("topics") or []
    return frozenset(topic["id"] for topic in topics if topic.get("id"))


def _database(pipeline: HoldedPipeline) -> _Database:
    mysql = pipeline.spec.mysql
    return (mysql.host.lower(), mysql.port, mysql.database)


def _key(body: Body) -> _Key:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _age(body: Body) -> tuple[str, str, str]:
    """Return what orders resources from the oldest to the youngest, also those of the same second."""
    return (str(body["metadata"].get("creationTimestamp") or ""), *_key(body))
