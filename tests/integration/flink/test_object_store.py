"""With state in an object store a job recovers, is adopted and is upgraded as with a folder."""

from collections import Counter
from collections.abc import Iterator

import pytest

from holded_contracts.topics import Artefact
from tests.integration.flink.conftest import Flink
from tests.integration.worker.support import RawTopic, Topics, event, identity
from tests.support.flink import FlinkCluster, flink_cluster
from tests.support.object_store import ObjectStore, object_store
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as started:
        yield started


@pytest.fixture(scope="module")
def cluster(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlinkCluster]:
    with flink_cluster(tmp_path_factory.mktemp("flink"), store=store) as started:
        yield started


def test_a_job_recovers_and_is_upgraded_from_what_the_store_has(
    flink: Flink, store: ObjectStore, raw: RawTopic, state: Topics
) -> None:
    first = flink.start_ready()
    raw.send([event(number) for number in range(200)])
    wait_until(state.drained, timeout=120)
    wait_until(
        lambda: any(key.endswith("/_metadata") for key in store.objects()), timeout=60, what="a checkpoint is there"
    )

    flink.cluster.kill("taskmanager-0")
    raw.send([event(number) for number in range(100, 300)])
    wait_until(state.drained, timeout=150)
    restored = flink.cluster.checkpoints()["latest"]["restored"]
    assert restored["external_path"].startswith(f"{store.url}/checkpoints/")

    first.stop()
    newer = flink.settings.pipeline.model_copy(update={"version": "newer"})
    second = flink.start_ready(pipeline=newer)
    assert second.job()["restored_from"].startswith(f"{store.url}/savepoints/savepoint-")
    raw.send([event(number) for number in range(200, 400)])
    wait_until(state.drained, timeout=120)

    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(event(number)) for number in range(400))
    assert state.assert_ledger_balances() == {"records": 600, "silver": 400, "dead_letters": 0, "duplicates": 200}
