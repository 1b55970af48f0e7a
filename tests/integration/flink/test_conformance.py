"""Both runners make the same of the same input."""

from collections import Counter

import pytest

from holded_contracts import wire
from holded_contracts.topics import Artefact
from tests.integration.flink.conftest import Flink
from tests.integration.worker.support import RawTopic, Topics, event, identity
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


def test_every_kind_of_record_goes_where_it_belongs(flink: Flink, raw: RawTopic, state: Topics) -> None:
    valid = [event(number) for number in range(300)]
    invalid = [b'{"data": {}, "headers": {"type": "?"}}', b"no json", b'{"data": [], "headers": {}}']
    raw.send(valid + invalid + valid[:40])
    for poison in (None, b"", b"\x00\x00", wire.frame(123_456) + b"x", raw.header + b"cut"):
        raw.send_value(poison, partition=1)
    flink.start_ready()
    wait_until(state.drained, timeout=60)
    silver = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert silver == Counter(identity(payload) for payload in valid)
    assert state.assert_ledger_balances() == {"records": 348, "silver": 300, "dead_letters": 8, "duplicates": 40}
