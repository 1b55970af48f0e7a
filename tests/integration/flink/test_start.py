"""A job begins to read, whatever its first checkpoint falls together with."""

import pytest

from tests.integration.flink.conftest import Flink
from tests.integration.worker.support import RawTopic, Topics, event
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_what_a_checkpoint_finds_under_way_goes_on(flink: Flink, raw: RawTopic, state: Topics) -> None:
    raw.send([event(number) for number in range(100)])
    # Bundles so long, and checkpoints so often, that the first element of all is in a bundle when the first one comes.
    flink.start_ready(flink=flink.cluster.settings(checkpoint_interval_ms=100, max_bundle_ms=3_000))
    wait_until(state.drained, timeout=120)
    assert state.assert_ledger_balances()["silver"] == 100
