"""The REST API of Flink's JobManager, as far as the supervisor of a job needs it."""

from typing import Any, NamedTuple

import httpx

from holded_worker.io.errors import TransientError

_CALL_SECONDS = 10.0
_OVER = {"FAILED", "CANCELED", "FINISHED", "SUSPENDED"}


class Job(NamedTuple):
    """A job that Flink knows."""

    job_id: str
    name: str
    state: str
    """Flink's name of it, e.g. RUNNING, RESTARTING or FAILED."""
    started_ms: int
    working: bool
    """All of its tasks are there."""

    @property
    def over(self) -> bool:
        """Tell whether it will never run again."""
        return self.state in _OVER


class Checkpoints(NamedTuple):
    """What is known of a job's checkpoints."""

    newest: str | None
    """Path from which a job can be restored."""
    completed_ms: int | None
    restored_from: str | None


class SavepointFailedError(Exception):
    """Flink could not take the savepoint; the job goes on."""


class JobManager:
    """Every method raises TransientError when the JobManager is away or refuses."""

    def __init__(self, url: str) -> None:
        # A connection of its own for each call: the address may lead to another pod by the next one.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=url, timeout=_CALL_SECONDS, limits=limits)

    def jobs(self) -> list[Job]:
        """Return all jobs, those that are over included, the oldest first."""
        found = [
            Job(
                job["jid"],
                job["name"],
                job["state"],
                job["start-time"],
                job["tasks"]["total"] > 0
                and job["tasks"]["running"] + job["tasks"]["finished"] == job["tasks"]["total"],
            )
            for job in self._ask("GET", "/jobs/overview")["jobs"]
        ]
        return sorted(found, key=lambda job: job.started_ms)

    def checkpoints(self, job_id: str) -> Checkpoints:
        """Return what is known of a job's checkpoints."""
        latest = self._ask("GET", f"/jobs/{job_id}/checkpoints")["latest"] or {}
        done = [latest[kind] for kind in ("completed", "savepoint") if latest.get(kind)]
        newest = max(done, key=lambda one: one["latest_ack_timestamp"], default=None)
        restored = latest.get("restored")
        return Checkpoints(
            newest and newest["external_path"],
            newest and newest["latest_ack_timestamp"],
            restored and restored["external_path"],
        )

    def restarts(self, job_id: str) -> int:
        """Return how often a job has been restarted."""
        found = self._ask("GET", f"/jobs/{job_id}/metrics", params={"get": "numRestarts"})
        return int(found[0]["value"]) if found else 0

    def begin_savepoint_and_cancel(self, job_id: str, folder: str) -> str:
        """Have a job's state saved and the job ended; return the number under which to ask for the outcome."""
        order = {"target-directory": folder, "cancel-job": True}
        return str(self._ask("POST", f"/jobs/{job_id}/savepoints", json=order)["request-id"])

    def savepoint(self, job_id: str, request: str) -> str | None:
        """Return the path of a savepoint that was begun, None while it is not done.

        Raises
        ------
        SavepointFailedError
            If it will never be.
        """
        answer = self._ask("GET", f"/jobs/{job_id}/savepoints/{request}")
        if answer["status"]["id"] != "COMPLETED":
            return None
        if "location" not in answer["operation"]:
            cause = answer["operation"].get("failure-cause", {}).get("stack-trace", "no reason given")
            raise SavepointFailedError(cause.partition("\n")[0])
        return str(answer["operation"]["location"])

    def cancel(self, job_id: str) -> None:
        """End a job."""
        self._ask("PATCH", f"/jobs/{job_id}", params={"mode": "cancel"})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self._client.request(method, path, **more)
            answer.raise_for_status()
            return answer.json() if answer.content else None
        except (httpx.HTTPError, ValueError) as error:
            raise TransientError(f"JobManager at {self._client.base_url}: {error!r}") from error
