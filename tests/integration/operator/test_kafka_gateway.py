"""The Kafka gateway against a real broker."""

import secrets
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from holded_contracts.settings import KafkaSettings
from holded_operator.exceptions import KafkaRefusedError, KafkaUnavailableError
from holded_operator.gateways.interfaces import KafkaAccess
from holded_operator.gateways.kafka import KafkaAdmin
from tests.support.containers import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def access(kafka: KafkaSettings) -> KafkaAccess:
    return KafkaAccess(kafka.bootstrap_servers)


@pytest.fixture
def gateway() -> Iterator[KafkaAdmin]:
    admin = KafkaAdmin(request_timeout_seconds=5)
    yield admin
    admin.close()


@pytest.fixture
def topic(gateway: KafkaAdmin, access: KafkaAccess) -> str:
    name = f"gateway-{secrets.token_hex(4)}"
    gateway.create_topic(access, name, partitions=2, replication_factor=None, config={"retention.ms": "60000"})
    wait_until(lambda: name in gateway.describe_topics(access, [name]), what="the topic is there")
    return name


def test_a_topic_is_created_as_asked_for_and_again_without_harm(
    gateway: KafkaAdmin, access: KafkaAccess, topic: str
) -> None:
    gateway.create_topic(access, topic, partitions=9, replication_factor=1, config={})
    found = gateway.describe_topics(access, [topic, "no-such-topic"])
    assert set(found) == {topic}
    state = found[topic]
    assert (state.partitions, state.replication_factor) == (2, 1), "the broker's default replication"
    assert state.config["retention.ms"] == "60000"
    assert state.overrides == {"retention.ms"}
    assert state.topic_id


def test_partitions_grow_and_settings_change_without_touching_others(
    gateway: KafkaAdmin, access: KafkaAccess, topic: str
) -> None:
    gateway.add_partitions(access, topic, 4)
    gateway.alter_config(access, topic, {"max.message.bytes": "5000"})
    wait_until(lambda: gateway.describe_topics(access, [topic])[topic].partitions == 4)
    state = gateway.describe_topics(access, [topic])[topic]
    assert state.config["max.message.bytes"] == "5000"
    assert state.config["retention.ms"] == "60000"
    gateway.alter_config(access, topic, {"retention.ms": "70000"}, ["max.message.bytes"])
    wait_until(lambda: gateway.describe_topics(access, [topic])[topic].overrides == {"retention.ms"}, what="a default")
    assert gateway.describe_topics(access, [topic])[topic].config["retention.ms"] == "70000"


def test_a_recreated_topic_has_another_id(gateway: KafkaAdmin, access: KafkaAccess, topic: str) -> None:
    before = gateway.describe_topics(access, [topic])[topic].topic_id
    assert gateway.delete_topic(access, topic)
    wait_until(lambda: topic not in gateway.describe_topics(access, [topic]), what="the topic is gone")
    assert not gateway.delete_topic(access, topic)
    gateway.create_topic(access, topic, partitions=1, replication_factor=1, config={})
    wait_until(lambda: topic in gateway.describe_topics(access, [topic]), what="the topic is back")
    assert gateway.describe_topics(access, [topic])[topic].topic_id != before


def test_the_broker_s_refusal_is_told_in_its_words(gateway: KafkaAdmin, access: KafkaAccess, topic: str) -> None:
    with pytest.raises(KafkaRefusedError, match=r"Unknown topic config name: bogus"):
        gateway.alter_config(access, topic, {"bogus": "1"})
    with pytest.raises(KafkaRefusedError, match=r"replication factor of 3"):
        gateway.create_topic(access, f"{topic}-3", partitions=1, replication_factor=3, config={})
    with pytest.raises(KafkaRefusedError, match=r"(?i)partition"):
        gateway.add_partitions(access, topic, 1)


def test_offsets_and_lag_also_of_new_partitions_and_of_a_group_nobody_knows(
    gateway: KafkaAdmin, access: KafkaAccess, topic: str
) -> None:
    producer = Producer({"bootstrap.servers": access.bootstrap_servers})
    for number in range(10):
        producer.produce(topic, b"x", partition=number % 2)
    assert producer.flush(20) == 0
    group = f"group-{topic}"
    wait_until(lambda: gateway.end_offsets(access, topic, 2) == {0: 5, 1: 5}, what="end offsets")
    # The first group of a cluster has no coordinator yet; the admin client's way of asking would crash here.
    wait_until(lambda: gateway.committed_offsets(access, group, topic, 2) == {}, what="no offsets are committed")

    consumer = Consumer({"bootstrap.servers": access.bootstrap_servers, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 1, 3)], asynchronous=False)
    consumer.close()
    assert gateway.committed_offsets(access, group, topic, 2) == {1: 3}

    gateway.add_partitions(access, topic, 3)
    wait_until(lambda: gateway.end_offsets(access, topic, 3) == {0: 5, 1: 5, 2: 0}, what="the new partition's offset")


def test_an_unreachable_broker_names_address_and_cause_every_time_in_the_same_words() -> None:
    address = f"127.0.0.1:{free_port()}"
    gateway = KafkaAdmin(request_timeout_seconds=1.5)
    told = set()
    for _ in range(4):
        with pytest.raises(KafkaUnavailableError) as caught:
            gateway.describe_topics(KafkaAccess(address), ["x"])
        told.add(str(caught.value))
    assert len(told) == 1, "a message that swings would be written to the status each time"
    message = told.pop()
    assert address in message
    assert "Connection refused" in message


def test_settings_that_librdkafka_cannot_take_are_a_refusal(access: KafkaAccess) -> None:
    broken = KafkaAccess(access.bootstrap_servers, security_protocol="SSL", ca="not a certificate")
    with pytest.raises(KafkaRefusedError, match=r"spec\.kafka"):
        KafkaAdmin().describe_topics(broken, ["x"])


def test_no_credential_stands_in_an_error_or_a_repr(access: KafkaAccess) -> None:
    wrong = KafkaAccess(
        access.bootstrap_servers,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        username="the-user",
        password="the-password",
    )
    with pytest.raises((KafkaRefusedError, KafkaUnavailableError)) as caught:
        KafkaAdmin(request_timeout_seconds=2).describe_topics(wrong, ["x"])
    assert "the-password" not in str(caught.value) + repr(wrong)
    assert "the-user" not in str(caught.value) + repr(wrong)
