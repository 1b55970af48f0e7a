"""What users do with a pipeline, apart from what goes wrong meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.trial import Trial

DELETE_ALL = {"deletionPolicy": {"topics": "Delete", "schemas": "Delete", "database": "Delete"}}


@dataclass(frozen=True)
class Scenario:
    """A way from one state to another."""

    name: str
    prepare: Callable[[Trial], None]
    """Undisturbed."""
    act: Callable[[Trial], None]
    """What is disturbed, as a user would do it: nothing is waited for."""
    end: Callable[..., None] = Trial.settle


def running(trial: Trial) -> None:
    trial.create(**DELETE_ALL)
    trial.operator.start()
    trial.settle()


def _suspended(trial: Trial) -> None:
    trial.create(**DELETE_ALL, suspend=True)
    trial.operator.start()
    trial.settle()


def _two_workers(trial: Trial) -> None:
    trial.create(**DELETE_ALL, worker={"replicas": 2}, collector={"replicas": 2})
    trial.operator.start()
    trial.settle()


def _edit(trial: Trial) -> None:
    trial.edit(
        topics={"raw": {"partitions": 6}, "silver": {"partitions": 6, "retention": "1d"}},
        collector={"replicas": 2},
        schemas={"compatibility": "FULL"},
        sink={"retentionDays": 30},
    )


def _idle(trial: Trial) -> None:
    trial.operator.start()
    trial.watched()


INSTALL = Scenario("install", _idle, lambda trial: trial.create(**DELETE_ALL))
UPDATE = Scenario("update", running, _edit)
SCALE = Scenario("scale", running, lambda trial: trial.edit(worker={"replicas": 3}, sink={"replicas": 2}))
SHRINK = Scenario("shrink", _two_workers, lambda trial: trial.edit(worker={"replicas": 1}, collector={"replicas": 1}))
SUSPEND = Scenario("suspend", running, lambda trial: trial.edit(suspend=True))
RESUME = Scenario("resume", _suspended, lambda trial: trial.edit(suspend=False))
REMOVE = Scenario("remove", running, Trial.delete, Trial.gone)

ALL = (INSTALL, UPDATE, SCALE, SHRINK, SUSPEND, RESUME, REMOVE)
KILLED = (INSTALL, UPDATE, REMOVE)
"""Those in which the operator is killed at every write."""
