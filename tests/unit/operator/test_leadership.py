"""The election's rules: never two leaders, and never long without one."""

import random
from typing import Any

import pytest

from holded_operator.exceptions import OperatorError, StaleObjectError
from holded_operator.leadership import (
    LEADING_SECONDS,
    LEASE_SECONDS,
    RETRY_SECONDS,
    Candidate,
    Fence,
    NotLeadingError,
    fenced,
)
from tests.support.fake_own_objects import FakeOwnObjects
from tests.support.operator_fakes import World

TAKE_OVER_SECONDS = 25.0
"""What the chart promises for a leader that dies."""


class Replica:
    """A candidate that looks at the Lease as the elector does, in a world whose clock is ours."""

    def __init__(self, name: str, leases: FakeOwnObjects, world: "Cluster") -> None:
        self.candidate = Candidate(name, clock=lambda: world.now)
        self.leases = leases
        self.world = world
        self.next_look = 0.0
        self.asked: tuple[float, Any] | None = None

    def read(self) -> None:
        """First half of a look: what is read may be old when it is written."""
        self.asked = (self.world.now, self.candidate.wish(self.leases.read_lease()))

    def write(self) -> None:
        assert self.asked is not None
        started, wanted = self.asked
        self.asked = None
        if wanted is not None:
            self.leases.write_lease(wanted)
            self.candidate.won(started)


class Cluster:
    def __init__(self, *names: str) -> None:
        self.now = 1000.0
        self.leases = FakeOwnObjects()
        self.replicas = [Replica(name, self.leases, self) for name in names]

    def look(self, replica: Replica) -> None:
        try:
            replica.read()
            replica.write()
        except OperatorError:
            replica.asked = None

    @property
    def leaders(self) -> list[str]:
        return [replica.candidate.identity for replica in self.replicas if replica.candidate.leads()]


def test_the_first_that_looks_leads_and_the_other_stands_by() -> None:
    cluster = Cluster("a", "b")
    for replica in cluster.replicas:
        cluster.look(replica)
    assert cluster.leaders == ["a"]
    assert cluster.replicas[1].candidate.holder == "a"


def test_a_leader_that_renews_stays() -> None:
    cluster = Cluster("a", "b")
    for _ in range(100):
        for replica in cluster.replicas:
            cluster.look(replica)
        assert cluster.leaders == ["a"]
        cluster.now += RETRY_SECONDS


def test_a_dead_leader_is_followed_in_time() -> None:
    cluster = Cluster("a", "b")
    a, b = cluster.replicas
    cluster.look(a)
    cluster.look(b)
    died = cluster.now
    while not b.candidate.leads():
        cluster.now += RETRY_SECONDS
        cluster.look(b)
        assert len(cluster.leaders) <= 1
    assert cluster.now - died <= TAKE_OVER_SECONDS
    assert cluster.leases.lease is not None
    assert cluster.leases.lease["spec"]["leaseTransitions"] == 2


def test_a_lease_that_was_given_back_is_taken_at_once() -> None:
    cluster = Cluster("a", "b")
    a, b = cluster.replicas
    cluster.look(a)
    cluster.look(b)
    a.candidate.resign()
    released = a.candidate.release(cluster.leases.read_lease())
    assert released is not None
    cluster.leases.write_lease(released)
    cluster.look(b)
    assert cluster.leaders == ["b"]


def test_nobody_gives_back_what_is_anothers() -> None:
    cluster = Cluster("a", "b")
    for replica in cluster.replicas:
        cluster.look(replica)
    assert cluster.replicas[1].candidate.release(cluster.leases.read_lease()) is None


def test_a_container_that_starts_again_in_its_pod_goes_on_at_once() -> None:
    cluster = Cluster("a", "b")
    cluster.look(cluster.replicas[0])
    again = Replica("a", cluster.leases, cluster)
    cluster.look(again)
    assert again.candidate.leads()


def test_a_leader_stops_before_its_lease_can_be_taken() -> None:
    assert LEADING_SECONDS < LEASE_SECONDS
    cluster = Cluster("a")
    cluster.look(cluster.replicas[0])
    cluster.now += LEADING_SECONDS
    assert not cluster.leaders


def test_the_time_counts_from_before_the_renewal_was_sent() -> None:
    cluster = Cluster("a")
    (a,) = cluster.replicas
    a.read()
    cluster.now += LEADING_SECONDS - 1
    a.write()
    assert a.candidate.leads()
    cluster.now += 1
    assert not a.candidate.leads()


def test_a_lease_deleted_by_hand_makes_no_second_leader() -> None:
    cluster = Cluster("a", "b")
    a, b = cluster.replicas
    cluster.look(a)
    cluster.look(b)
    cluster.leases.lease = None
    cluster.look(b)
    assert cluster.leaders == ["a"]
    cluster.look(a)
    assert cluster.leaders == ["a"]


@pytest.mark.parametrize("seed", range(20))
def test_never_two_leaders_whatever_the_api_server_and_the_replicas_do(seed: int) -> None:
    """Replicas freeze between reading and writing, requests fail, nobody's wall clock matters."""
    chance = random.Random(seed)
    cluster = Cluster("a", "b", "c")
    led: set[str] = set()
    without_leader, calm_since = cluster.now, cluster.now
    for step in range(4000):
        calm = step // 400 % 2 == 1
        if not calm:
            calm_since = cluster.now
            cluster.leases.away = chance.random() < 0.3
        else:
            cluster.leases.away = False
        for replica in cluster.replicas:
            if cluster.now < replica.next_look:
                continue
            if replica.asked is None:
                try:
                    replica.read()
                    # from one half of the look to the other
                    replica.next_look = cluster.now + (0 if calm else chance.choice([0, 0.1, 3, 20]))
                except OperatorError:
                    replica.next_look = cluster.now + RETRY_SECONDS
            else:
                try:
                    replica.write()
                except (OperatorError, StaleObjectError):
                    replica.asked = None
                replica.next_look = cluster.now + (RETRY_SECONDS if calm else chance.choice([1, 2, 5, 30]))
        leaders = cluster.leaders
        assert len(leaders) <= 1, f"step {step}: {leaders}"
        led |= set(leaders)
        if leaders:
            without_leader = cluster.now
        # A wait of the wild time before may end up to 30 seconds into the calm.
        if cluster.now - max(without_leader, calm_since + 30) > TAKE_OVER_SECONDS:
            raise AssertionError(f"step {step}: nobody leads")
        cluster.now += 0.25
    assert len(led) > 1, "the test would prove nothing"


def test_the_fence_ends_a_pass_that_went_on_for_too_long() -> None:
    world, leading = World(), True
    kafka = fenced(world.kafka, lambda: leading)
    assert isinstance(kafka, Fence)
    kafka.delete_topic(None, "events.raw")  # type: ignore[arg-type]
    leading = False
    writes = world.writes.tried
    with pytest.raises(NotLeadingError):
        kafka.delete_topic(None, "events.raw")  # type: ignore[arg-type]
    assert world.writes.tried == writes
