"""Reading silver back for the deduplication index."""

import pytest

from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import Artefact
from holded_worker.io.readback import SilverReadback
from holded_worker.io.topology import Admin
from tests.integration.worker.support import PARTITIONS, RawTopic, Topics, event, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


def ids(readback: SilverReadback, partition: int) -> set[bytes]:
    return {event_id for piece in readback.read(partition, 0) for event_id, _ in piece}


def test_a_partition_made_since_the_client_last_asked_is_read(
    settings: WorkerSettings, raw: RawTopic, state: Topics
) -> None:
    readback = SilverReadback(settings, Admin(settings))
    raw.send([event(number) for number in range(10)])
    with running(settings):
        wait_until(state.drained, timeout=60)
        assert ids(readback, 0)
        state.grow(PARTITIONS + 1)
        RawTopic(settings).send([event(number) for number in range(10, 200)])
        wait_until(state.drained, timeout=60)
    found = ids(readback, PARTITIONS)
    silver = state.messages(Artefact.SILVER)
    assert found == {message.key() for message in silver if message.partition() == PARTITIONS}
    assert found
