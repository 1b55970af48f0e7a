"""Raw and silver get more partitions while a job runs, and a job that runs for long stays as small as it was."""

from collections import Counter
from typing import Any

import pytest

from holded_contracts.topics import Artefact
from tests.integration.flink.conftest import Flink
from tests.integration.worker.support import PARTITIONS, RawTopic, Topics, event, identity
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

CHECKPOINTS = 20
"""Each a second after the one before, while partitions are asked several times a second."""
SOME_BYTES = 20_000
"""Of a checkpoint: its size varies by some hundred, and what is kept of each look at a partition would be a thousand."""


def completed(flink: Flink, more_than: int) -> dict[str, Any]:
    """Return what is told of checkpoints once so many have been completed."""

    def enough() -> dict[str, Any]:
        found = flink.cluster.checkpoints()
        assert found["counts"]["completed"] > more_than, found["counts"]
        return found

    return wait_until(enough, timeout=120, what="checkpoints are completed")


def test_partitions_that_are_made_later_are_read_before_and_after_a_savepoint(
    flink: Flink, raw: RawTopic, state: Topics
) -> None:
    first = flink.start_ready()
    raw.send([event(number) for number in range(100)])
    wait_until(state.drained, timeout=120)

    state.grow(PARTITIONS + 1)
    RawTopic(flink.settings).send([event(number) for number in range(100, 300)])
    assert state.end_offsets(Artefact.RAW)[PARTITIONS] > 0
    wait_until(state.drained, timeout=60)

    first.stop()
    newer = flink.settings.pipeline.model_copy(update={"version": "newer"})
    second = flink.start_ready(pipeline=newer)
    assert "/savepoint-" in second.job()["restored_from"]
    state.grow(PARTITIONS + 2)
    RawTopic(flink.settings).send([event(number) for number in range(300, 500)])
    assert state.end_offsets(Artefact.RAW)[PARTITIONS + 1] > 0
    wait_until(state.drained, timeout=60)

    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(event(number)) for number in range(500))
    assert state.assert_ledger_balances()["records"] == 500


def test_checkpoints_do_not_grow_while_nothing_comes(flink: Flink, raw: RawTopic, state: Topics) -> None:
    flink.start_ready()
    raw.send([event(number) for number in range(100)])
    wait_until(state.drained, timeout=120)
    before = completed(flink, flink.cluster.checkpoints()["counts"]["completed"])
    after = completed(flink, before["counts"]["completed"] + CHECKPOINTS)
    sizes = [found["latest"]["completed"]["state_size"] for found in (before, after)]
    assert sizes[1] < sizes[0] + SOME_BYTES, sizes
