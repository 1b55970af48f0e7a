"""What a pass does to topics that are not as the spec says (O11)."""

import dataclasses

from tests.support.operator_fakes import World, condition, pipeline


def installed(**topics: object) -> World:
    world = World()
    world.kubernetes.create(pipeline(topics=topics))
    world.operator().reconcile("tests", "demo")
    return world


def test_a_setting_taken_out_of_the_spec_gets_the_brokers_default_again() -> None:
    world = installed(raw={"config": {"compression.type": "zstd", "min.insync.replicas": "1"}})
    assert world.kafka.topics["events.raw"].config["compression.type"] == "zstd"
    world.kubernetes.edit("demo", topics={"raw": {"config": {"min.insync.replicas": "1"}}})
    world.operator().reconcile("tests", "demo")
    assert world.kafka.topics["events.raw"].overrides == {"min.insync.replicas", "retention.ms", "cleanup.policy"}


def test_a_setting_that_somebody_added_is_reverted_and_said() -> None:
    world = installed()
    world.kafka.alter_config(None, "events.silver", {"max.message.bytes": "1", "retention.ms": "1"})  # type: ignore[arg-type]
    world.operator().reconcile("tests", "demo")
    state = world.kafka.topics["events.silver"]
    assert "max.message.bytes" not in state.overrides
    assert state.config["retention.ms"] != "1"
    (told,) = [text for _, reason, text in world.kubernetes.events if reason == "TopicConfigUpdated"]
    assert "max.message.bytes=default" in told


def test_settings_that_tools_set_while_they_move_partitions_are_left_to_them() -> None:
    world = installed()
    throttle = {"leader.replication.throttled.replicas": "0:1", "confluent.placement.constraints": "{}"}
    world.kafka.alter_config(None, "events.raw", throttle)  # type: ignore[arg-type]
    world.forget_writes()
    world.operator().reconcile("tests", "demo")
    assert not [what for what in world.writes.done if "topic" in what]
    assert throttle.keys() <= world.kafka.topics["events.raw"].overrides


def test_another_replication_factor_is_reported_and_nothing_is_held_up() -> None:
    world = installed()
    world.kafka.topics["events.raw"] = dataclasses.replace(world.kafka.topics["events.raw"], replication_factor=1)
    world.kubernetes.edit("demo", topics={"raw": {"replicationFactor": 3}})
    world.operator().reconcile("tests", "demo")
    found = condition(world, "TopicsReady")
    assert (found["status"], found["reason"]) == ("True", "ReplicationFactorDiffers")
    assert found["message"].startswith(
        "spec.topics.raw.replicationFactor: topic events.raw has 1 replicas instead of 3"
    )
    assert ("Deployment", "demo-collector") in world.kubernetes.objects
