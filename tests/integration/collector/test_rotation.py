"""API keys exchanged while clients send with them."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holded_collector.io.api_keys import CHECK_SECONDS
from holded_contracts.settings import ApiKeyMode, KafkaSettings, SchemaRegistrySettings, TopicNames
from tests.support.http_load import Load, Outcome, run
from tests.support.mounted_secret import mount
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

EVENTS_PER_REQUEST = 10


def requests(first: int) -> list[bytes]:
    events = [{"headers": {"type": "T"}, "data": {"number": first + number}} for number in range(10_000)]
    return [
        json.dumps(events[start : start + EVENTS_PER_REQUEST]).encode()
        for start in range(0, len(events), EVENTS_PER_REQUEST)
    ]


class Sender(threading.Thread):
    """Clients with one key, for some seconds, in a process of their own."""

    def __init__(self, port: int, key: str, first: int, seconds: float) -> None:
        super().__init__()
        self._load = Load(port, requests(first), connections=8, seconds=seconds, keys=[key])
        self.outcome: Outcome | None = None

    def run(self) -> None:
        self.outcome = run(self._load)


def test_a_key_rotated_under_load_refuses_nobody_who_has_the_new_one(  # noqa: PLR0917 -- fixtures
    kafka: KafkaSettings,
    schema_registry: SchemaRegistrySettings,
    topics: TopicNames,
    start_collector: Callable[..., Any],
    read_records: Callable[[KafkaSettings, str], list[tuple[int, bytes, bytes]]],
    tmp_path: Path,
) -> None:
    keys = tmp_path / "keys"
    mount(keys, "1", erp="old-key")
    collector = start_collector(
        kafka, schema_registry, topics, authentication=ApiKeyMode.API_KEY, api_keys_dir=str(keys)
    )
    collector.wait_ready()

    def status(key: str) -> int:
        answer: int = collector.post(b"[]", Authorization=f"Bearer {key}").status_code
        return answer

    old = Sender(collector.settings.port, "old-key", 0, seconds=6)
    old.start()
    wait_until(lambda: "202" in collector.get("/metrics").text, what="the old key sends")
    assert status("new-key") == 401
    mount(keys, "2", erp="old-key", erp_next="new-key")
    wait_until(lambda: status("new-key") == 202, timeout=10 * CHECK_SECONDS, what="both keys are taken")
    new = Sender(collector.settings.port, "new-key", 1_000_000, seconds=4)
    new.start()
    mount(keys, "3", erp_next="new-key")
    revoked = time.monotonic()
    wait_until(lambda: status("old-key") == 401, timeout=10 * CHECK_SECONDS, what="the old key is refused")
    assert time.monotonic() - revoked < 4 * CHECK_SECONDS
    old.join()
    new.join()

    assert old.outcome is not None
    assert new.outcome is not None
    assert set(old.outcome.statuses) == {202, 401}
    assert set(new.outcome.statuses) == {202}
    confirmed = old.outcome.statuses[202] + new.outcome.statuses[202]
    assert len(read_records(kafka, topics.raw)) == confirmed * EVENTS_PER_REQUEST
    assert "old-key" not in collector.log_file.read_text()
