"""Whatever is killed while events flow, each event is in the outputs exactly once (G2, D1 to D9)."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from holded_contracts.topics import Artefact
from tests.integration.flink.conftest import Flink
from tests.integration.worker.support import RawTopic, Topics, event, identity
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

STEP = 50
PAUSE_SECONDS = 0.2


class Flow:
    """Sends new events all the time, and each a second time somewhat later."""

    LATER = 1_000

    def __init__(self, raw: RawTopic) -> None:
        self._raw = raw
        self.sent = 0
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(PAUSE_SECONDS):
            again = range(max(0, self.sent - self.LATER), max(0, self.sent + STEP - self.LATER))
            self._raw.send([event(number) for number in [*range(self.sent, self.sent + STEP), *again]])
            self.sent += STEP

    @property
    def twice(self) -> int:
        """Events that were sent twice."""
        return max(0, self.sent - self.LATER)


@contextmanager
def flowing(raw: RawTopic) -> Iterator[Flow]:
    flow = Flow(raw)
    thread = threading.Thread(target=flow.run)
    thread.start()
    try:
        yield flow
    finally:
        flow.stop.set()
        thread.join(30)


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_doubled_whatever_is_killed(flink: Flink, raw: RawTopic, state: Topics) -> None:
    supervised = flink.start_ready()
    cluster = flink.cluster

    def goes_on(what: str) -> None:
        """Wait until more has been committed than was sent so far, and a checkpoint stands before the next kill."""
        sent = sum(state.end_offsets(Artefact.RAW).values())
        wait_until(lambda: sum(state.committed().values()) >= sent, timeout=240, what=f"{what}: events come out")
        wait_until(supervised.ready, timeout=240, what=f"{what}: the job runs")
        wait_until(lambda: supervised.job()["checkpoint_age_seconds"] < 10, timeout=120, what=f"{what}: a checkpoint")

    def life() -> tuple[str, int]:
        """Return what no job has again after a death: its id and how often it was restarted."""
        job = supervised.job()
        return job["job_id"], job["restarts"]

    def other_than(before: tuple[str, int]) -> bool:
        return life() != before

    kills: list[tuple[str, Callable[[], None]]] = [
        ("worker process", cluster.kill_harness),
        ("TaskManager", lambda: cluster.kill("taskmanager-0")),
        ("JobManager", lambda: cluster.kill("jobmanager")),
    ]
    first = supervised.job()["job_id"]
    with flowing(raw) as flow:
        wait_until(lambda: flow.twice > 0, what="duplicates are sent")
        goes_on("at first")
        for what, kill in kills:
            before = life()
            kill()
            wait_until(partial(other_than, before), timeout=240, what=f"{what}: its death is noticed")
            goes_on(what)
    wait_until(state.drained, timeout=240)

    found = Counter(value["event_id"] for value in state.values(Artefact.SILVER))
    assert found == Counter(identity(event(number)) for number in range(flow.sent))
    counts = state.assert_ledger_balances()
    assert counts == {
        "records": flow.sent + flow.twice,
        "silver": flow.sent,
        "dead_letters": 0,
        "duplicates": flow.twice,
    }
    job = supervised.job()
    assert job["job_id"] != first, "with the JobManager its jobs are gone, so the supervisor has submitted a new one"
    assert "/chk-" in job["restored_from"]
    assert len(cluster.running_jobs()) == 1
