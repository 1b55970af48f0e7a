"""How many worker pods the lag asks for."""

from math import ceil, inf

from holded_operator.api.v1alpha1 import WorkerAutoscaling

TOLERANCE = 0.1
"""Deviation from the target that changes nothing; the HorizontalPodAutoscaler's own default."""
SCALE_DOWN_DELAY_SECONDS = 300.0
"""Quiet time before a pod is taken away; the HorizontalPodAutoscaler's default stabilisation window."""
_DOWN_MARGIN = 0.5


def desired_replicas(
    autoscaling: WorkerAutoscaling,
    *,
    current: int,
    lag: int | None,
    partitions: int,
    seconds_since_change: float = inf,
) -> int:
    """Return the number of worker pods.

    Up at once, to ceil(lag / targetLag); down one pod at a time, only after `SCALE_DOWN_DELAY_SECONDS` without a
    change and only if the lag would be at most half of what the smaller number is meant to carry. Every change costs
    a rebalance, so a lag around the target must not make the number swing. An unknown lag (None) changes nothing.
    More pods than partitions would be idle.
    """
    most = max(1, min(autoscaling.max_replicas, partitions))
    least = min(autoscaling.min_replicas, most)
    held = min(max(current, least), most)
    if lag is None:
        return held
    target = autoscaling.target_lag
    if lag > held * target * (1 + TOLERANCE):
        return min(ceil(lag / target), most)
    calm = seconds_since_change >= SCALE_DOWN_DELAY_SECONDS
    if held > least and calm and lag <= (held - 1) * target * _DOWN_MARGIN:
        return held - 1
    return held
