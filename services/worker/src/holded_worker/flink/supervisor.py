"""Keeping exactly one job: adopt it, replace it by savepoint, bring it back. All it does is decided turn by turn."""

import time
from collections.abc import Callable
from typing import NamedTuple

import structlog

from holded_worker.flink.restore_points import RestorePoints
from holded_worker.io.errors import TransientError
from holded_worker.io.jobmanager import Job, JobManager, SavepointFailedError

_APPEARS_SECONDS = 300.0
"""Time in which a submitted job is expected among Flink's jobs; until then no other is submitted."""

type Submission = Callable[[], bool]
"""Tells whether a submission is known to be over."""

log = structlog.get_logger()


class Status(NamedTuple):
    """What is served as /job."""

    state: str
    """Flink's state of the job, ABSENT where there is none, UNKNOWN while Flink does not answer."""
    job_id: str | None = None
    digest: str | None = None
    checkpoint_age_seconds: float | None = None
    restarts: int | None = None
    restored_from: str | None = None


class _Submitted(NamedTuple):
    """A job that was submitted and has not been seen yet."""

    at: float
    restore: str | None
    """Path from which it goes on."""
    older: frozenset[str]
    """Ids of the jobs that Flink showed before: one of them may have ended a moment ago, under the same name."""
    over: Submission


class Supervisor:
    """Compares Flink's jobs with the wished one and takes one step a turn."""

    def __init__(
        self,
        prefix: str,
        wished: str,
        *,
        manager: JobManager,
        points: RestorePoints,
        savepoints: str,
        members: Callable[[], int],
        submit: Callable[[str | None], Submission],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take names as in job_settings; `members` counts the consumer group's, `submit` starts a job from a path."""
        self.status = Status("ABSENT")
        self._prefix = prefix
        self._wished = wished
        self._manager = manager
        self._points = points
        self._savepoints = savepoints
        self._members = members
        self._submit = submit
        self._clock = clock
        self._fault: str | None = "has not asked Flink yet"
        self._savepoint: tuple[str, str] | None = None
        """Job and request of a savepoint that was begun."""
        self._submitted: _Submitted | None = None

    def not_ready(self) -> str | None:
        """Return why the wished job does not run, None when it does."""
        return self._fault

    def document(self) -> dict[str, object]:
        """Return the status as it is served."""
        return self.status._asdict()

    def turn(self) -> None:
        """Look, and take the next step.

        Raises
        ------
        TransientError
            If Flink or Kafka is away; nothing is changed then, and the next turn tries again.
        """
        try:
            self._fault = self._step()
        except TransientError as fault:
            self._fault = str(fault)
            raise

    def _step(self) -> str | None:
        try:
            jobs = [job for job in self._manager.jobs() if job.name.startswith(self._prefix)]
        except TransientError:
            self.status = self.status._replace(state="UNKNOWN")
            raise
        alive = [job for job in jobs if not job.over]
        self._judge_submission(jobs)
        if not alive:
            self.status = Status("ABSENT")
            self._take_savepoint()
            return self._start(jobs)
        # Two can only be there if somebody else submitted one: the first with the wished settings stays.
        kept = next((job for job in alive if job.name == self._wished), alive[0])
        for other in alive:
            if other is not kept:
                log.warning("a second job of this pipeline is ended", job=other.job_id, name=other.name)
                self._manager.cancel(other.job_id)
        self._observe(kept)
        if kept.name != self._wished:
            return self._replace(kept)
        self._submitted = None
        return None if kept.state == "RUNNING" and kept.working else f"job {kept.job_id} is {kept.state}"

    def _judge_submission(self, jobs: list[Job]) -> None:
        """Notice a job that was submitted and is over before it has ever run: its path is of no use then."""
        if self._submitted is None:
            return
        submitted = self._submitted
        ours = [job for job in jobs if job.name == self._wished and job.job_id not in submitted.older]
        if all(job.over for job in ours) and (ours or submitted.over()):
            self._submitted = None
            if submitted.restore is not None:
                self._points.refuse(submitted.restore)

    def _observe(self, job: Job) -> None:
        if job.state in {"INITIALIZING", "CREATED"}:
            self.status = Status(job.state, job.job_id, job.name.removeprefix(self._prefix))
            return
        checkpoints = self._manager.checkpoints(job.job_id)
        if checkpoints.newest is not None:
            self._points.note(checkpoints.newest)
        age = None if checkpoints.completed_ms is None else max(0.0, self._clock() - checkpoints.completed_ms / 1000)
        if job.job_id != self.status.job_id:
            log.info("job adopted", job=job.job_id, name=job.name, state=job.state)
        self.status = Status(
            job.state,
            job.job_id,
            job.name.removeprefix(self._prefix),
            age,
            self._manager.restarts(job.job_id),
            checkpoints.restored_from,
        )

    def _replace(self, job: Job) -> str:
        """End a job with other settings; its state goes into a savepoint, from which the next job goes on."""
        if self._savepoint is None or self._savepoint[0] != job.job_id:
            if not job.working:
                log.info("the job to be replaced does not run; its newest checkpoint has to do", job=job.job_id)
                self._manager.cancel(job.job_id)
                return f"replacing job {job.job_id}: cancelled"
            self._savepoint = job.job_id, self._manager.begin_savepoint_and_cancel(job.job_id, self._savepoints)
            log.info("replacing the job by way of a savepoint", job=job.job_id, name=job.name, wished=self._wished)
        try:
            path = self._manager.savepoint(*self._savepoint)
        except SavepointFailedError as error:
            self._savepoint = None
            raise TransientError(f"savepoint of job {job.job_id}: {error}") from error
        if path is not None:
            self._points.note(path)
        return f"replacing job {job.job_id}: " + ("saved" if path else "saving its state")

    def _take_savepoint(self) -> None:
        """Learn the path of a savepoint whose job has ended since: that may be sooner than the next look."""
        if self._savepoint is None:
            return
        try:
            path = self._manager.savepoint(*self._savepoint)
        except (SavepointFailedError, TransientError) as error:
            # A JobManager that is another one now knows nothing of it. The newest checkpoint has to do.
            log.warning("the savepoint is not known", job=self._savepoint[0], cause=str(error))
        else:
            if path is not None:
                self._points.note(path)
        self._savepoint = None

    def _start(self, older: list[Job]) -> str:
        """Submit the job, unless one is under way or the embedded workers are still there."""
        if self._submitted is not None and self._clock() < self._submitted.at + _APPEARS_SECONDS:
            return "submitted; Flink does not show the job yet"
        members = self._members()
        if members:
            return f"waiting for {members} members to leave the consumer group: workers of runner Embedded"
        restore = self._points.newest()
        log.info("submitting the job", name=self._wished, restore=restore)
        at = self._clock()
        try:
            over = self._submit(restore)
        except Exception as error:  # noqa: BLE001 -- gRPC's and Beam's errors have no common base
            raise TransientError(f"submit the job: {error!r}") from error
        self._submitted = _Submitted(at, restore, frozenset(job.job_id for job in older), over)
        return "submitted"
