"""The job of runner Flink: what the submitter tells of it, and what that means for the worker's condition."""

from dataclasses import replace
from math import ceil, log2

from holded_operator.api.v1alpha1 import Flink, FlinkStatus, HoldedPipeline, Runner
from holded_operator.desired import FlinkRole
from holded_operator.gateways.interfaces import FlinkGateway, FlinkJob
from holded_operator.status import WORKER_READY, PartResult

RUNNING = "RUNNING"
"""Flink's word for a job whose every subtask is deployed, or is being deployed."""


def observe_job(pipeline: HoldedPipeline, flink: FlinkGateway) -> FlinkStatus | None:
    """Return the job's status, None where there is none or nobody tells."""
    spec = pipeline.spec.worker
    if spec.runner is not Runner.FLINK or pipeline.spec.suspend or not spec.replicas:
        return None
    job = flink.job(pipeline.metadata.namespace, pipeline.metadata.name)
    return None if job is None else job_status(job, (spec.flink or Flink()).checkpoint_interval_seconds)


def job_status(job: FlinkJob, interval_seconds: int) -> FlinkStatus:
    """Return a job as the status has it: equal as long as nothing changes that means something."""
    return FlinkStatus(
        state=job.state,
        job_id=job.job_id,
        checkpoint_age_seconds=_at_most(job.checkpoint_age_seconds, interval_seconds),
        restarts=job.restarts or 0,
        restored_from=job.restored_from,
    )


def with_job(part: PartResult, job: FlinkStatus | None) -> PartResult:
    """Return the worker's condition; where Flink's pods are ready and only its submitter is not, the job is why."""
    if part.type != WORKER_READY or part.reason != "PodsNotReady" or job is None or job.state == RUNNING:
        return part
    if part.message.startswith(tuple(f"{role}:" for role in FlinkRole)):
        return part
    last = job.checkpoint_age_seconds
    checkpoint = "no checkpoint yet" if last is None else f"the last checkpoint is at most {last} s old"
    message = f"Flink's job is {job.state}, {job.restarts} restarts, {checkpoint}; {part.message}"
    return replace(part, reason="FlinkJobNotRunning", message=message)


def _at_most(age: float | None, interval: int) -> int | None:
    """Return the age rounded up to twice the interval, or to that doubled as often as it takes."""
    if age is None:
        return None
    doubled = max(0, ceil(log2(max(age, 1e-9) / (2 * interval))))
    return int(2 * interval * 2**doubled)
