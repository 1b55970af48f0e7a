"""The settings that travel with a job. What differs by process, and every secret, comes from its environment."""

import hashlib
import json
from functools import cache
from typing import Any

from holded_contracts.settings import WorkerSettings

_NOT_OF_THE_JOB: dict[str, Any] = {
    **dict.fromkeys(("pod_name", "probes_port", "log_level", "log_format", "shutdown_grace_seconds"), True),
    "kafka": {"sasl_password"},
    "schema_registry": {"password"},
}


def travelling(settings: WorkerSettings) -> str:
    """Return as JSON what all processes of a job must agree on; equal settings give equal text.

    Defaults travel, too: what travels goes before the environment of the process that it arrives in.
    """
    plain = settings.model_dump(mode="json", exclude=_NOT_OF_THE_JOB, exclude_none=True)
    return json.dumps(plain, sort_keys=True)


@cache
def arrived(travelled: str) -> WorkerSettings:
    """Return the settings of a job in a process that runs it."""
    return WorkerSettings(**json.loads(travelled))


def digest(travelled: str) -> str:
    """Return what tells jobs of different settings apart."""
    return hashlib.sha256(travelled.encode()).hexdigest()[:12]


def job_prefix(settings: WorkerSettings) -> str:
    """Return how the names of a pipeline's jobs begin; no other pipeline's do."""
    return f"{settings.pipeline.namespace}.{settings.pipeline.name}@"


def job_name(settings: WorkerSettings) -> str:
    """Return the name of the job that these settings ask for."""
    return job_prefix(settings) + digest(travelling(settings))
