"""How many worker pods the lag asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_operator.api.v1alpha1 import WorkerAutoscaling
from holded_operator.desired import desired_replicas
from holded_operator.desired.scaling import SCALE_DOWN_DELAY_SECONDS

AUTOSCALING = WorkerAutoscaling(min_replicas=1, max_replicas=8, target_lag=1000)


@pytest.mark.parametrize(
    ("current", "lag", "wanted"),
    [
        (1, 0, 1),
        (1, 1000, 1),
        (1, 1100, 1),  # within the tolerance
        (1, 1101, 2),
        (2, 7500, 8),  # up at once
        (2, 10**9, 8),
        (4, 2500, 4),  # three pods would have to carry more than half their share
        (4, 1500, 3),  # down one at a time
        (8, 0, 7),
        (0, 0, 1),
        (20, None, 8),
        (3, None, 3),
    ],
)
def test_replicas_for_a_lag(current: int, lag: int | None, wanted: int):
    assert desired_replicas(AUTOSCALING, current=current, lag=lag, partitions=12) == wanted


def test_never_more_pods_than_partitions():
    assert desired_replicas(AUTOSCALING, current=1, lag=10**6, partitions=3) == 3
    assert desired_replicas(WorkerAutoscaling(min_replicas=5, max_replicas=8), current=1, lag=0, partitions=3) == 3


def test_a_recent_change_delays_the_way_down_but_not_up():
    recent = SCALE_DOWN_DELAY_SECONDS - 1

    assert desired_replicas(AUTOSCALING, current=4, lag=0, partitions=12, seconds_since_change=recent) == 4
    assert desired_replicas(AUTOSCALING, current=4, lag=8000, partitions=12, seconds_since_change=recent) == 8


@given(current=st.integers(0, 20), lag=st.integers(0, 100_000), partitions=st.integers(1, 20))
def test_a_steady_lag_settles(current: int, lag: int, partitions: int):
    seen = [current]
    for _ in range(20):
        seen.append(desired_replicas(AUTOSCALING, current=seen[-1], lag=lag, partitions=partitions))

    assert seen[-1] == seen[-2]
    assert 1 <= seen[-1] <= min(8, partitions)
