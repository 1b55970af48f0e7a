"""The supervisor of a Flink job: exactly one, adopted, replaced by savepoint, brought back from what is newest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from holded_contracts.settings import (
    FlinkSettings,
    KafkaSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    WorkerSettings,
)
from holded_worker.flink.job import options
from holded_worker.flink.job_settings import arrived, job_name, job_prefix, travelling
from holded_worker.flink.restore_points import RestorePoints
from holded_worker.flink.supervisor import Supervisor
from holded_worker.io.errors import TransientError
from holded_worker.io.jobmanager import Checkpoints, Job, SavepointFailedError

FLINK = FlinkSettings(jobmanager_url="http://flink:8081", state_url="file:///nowhere/state")
SETTINGS = WorkerSettings(
    pipeline=PipelineSettings(name="demo", namespace="tests", version="1"),
    kafka=KafkaSettings(bootstrap_servers="kafka:9092", sasl_password=SecretStr("hush")),
    schema_registry=SchemaRegistrySettings(url="http://registry", password=SecretStr("hush")),
    flink=FLINK,
)
OLD, NEW = "tests.demo@old", "tests.demo@new"


class FakeFlink:
    """A JobManager with the calls the supervisor makes."""

    def __init__(self) -> None:
        self.all: list[Job] = []
        self.cancelled: list[str] = []
        self.points: dict[str, str] = {}
        self.away = False
        self.savepoint_fails = False
        self.savepoint_done = True

    def add(self, name: str, job_id: str, state: str = "RUNNING", started: float = 0) -> None:
        self.all.append(Job(job_id, name, state, int(started * 1000), working=state == "RUNNING"))

    def end(self, job_id: str, state: str) -> None:
        self.all = [job._replace(state=state, working=False) if job.job_id == job_id else job for job in self.all]

    def jobs(self) -> list[Job]:
        if self.away:
            raise TransientError("away")
        return list(self.all)

    def checkpoints(self, job_id: str) -> Checkpoints:
        return Checkpoints(self.points.get(job_id), 990_000 if job_id in self.points else None, None)

    def restarts(self, job_id: str) -> int:
        return 2

    def begin_savepoint_and_cancel(self, job_id: str, folder: str) -> str:
        assert folder == "s3://state/savepoints"
        return "request"

    def savepoint(self, job_id: str, request: str) -> str | None:
        if self.savepoint_fails:
            raise SavepointFailedError("disk full")
        if not self.savepoint_done:
            return None
        self.end(job_id, "CANCELED")
        return "s3://state/savepoints/savepoint-1"

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        self.end(job_id, "CANCELED")


class World:
    def __init__(self) -> None:
        self.flink = FakeFlink()
        self.submitted: list[str | None] = []
        self.members = 0
        self.refused = False
        self.now = 1000.0
        self.points = RestorePoints("s3://state", "tests.demo")
        self.supervisor = self.new_supervisor()

    def new_supervisor(self) -> Supervisor:
        return Supervisor(
            "tests.demo@",
            NEW,
            manager=self.flink,  # type: ignore[arg-type]
            points=self.points,
            savepoints="s3://state/savepoints",
            members=lambda: self.members,
            submit=self.submit,
            clock=lambda: self.now,
        )

    def submit(self, restore: str | None) -> Callable[[], bool]:
        self.submitted.append(restore)
        return lambda: self.refused

    def turn(self) -> str | None:
        self.supervisor.turn()
        return self.supervisor.not_ready()


@pytest.fixture
def world() -> World:
    return World()


def test_a_job_with_the_same_settings_is_adopted(world: World) -> None:
    world.flink.add(NEW, "a")
    world.flink.points["a"] = "s3://state/chk-4"
    assert world.turn() is None
    assert world.submitted == []
    assert world.supervisor.document() == {
        "state": "RUNNING",
        "job_id": "a",
        "digest": "new",
        "checkpoint_age_seconds": 10.0,
        "restarts": 2,
        "restored_from": None,
    }


def test_without_a_job_one_is_submitted_and_never_a_second(world: World) -> None:
    for _ in range(3):
        assert world.turn()
    assert world.submitted == [None], "until Flink shows it"
    world.flink.add(NEW, "a", "CREATED", started=world.now)
    assert world.turn() == "job a is CREATED"
    assert len(world.submitted) == 1


def test_a_submission_that_never_appears_is_repeated(world: World) -> None:
    world.turn()
    world.now += 400
    world.turn()
    assert world.submitted == [None, None]


def test_while_embedded_workers_are_members_nothing_is_submitted(world: World) -> None:
    world.members = 2
    assert "2 members" in str(world.turn())
    assert world.submitted == []


def test_while_flink_is_away_nothing_is_submitted(world: World) -> None:
    world.flink.away = True
    with pytest.raises(TransientError):
        world.turn()
    assert world.supervisor.not_ready() == "away"
    assert world.supervisor.status.state == "UNKNOWN"
    assert world.submitted == []


def test_other_jobs_of_the_cluster_are_none_of_our_business(world: World) -> None:
    world.flink.add("tests.demo-2@new", "other")
    world.turn()
    assert world.submitted == [None]
    assert world.flink.cancelled == []


def test_other_settings_replace_the_job_by_way_of_a_savepoint(world: World) -> None:
    world.flink.add(OLD, "a")
    world.flink.savepoint_done = False
    assert "saving" in str(world.turn())
    assert world.submitted == [], "not before the old one is gone"
    world.flink.savepoint_done = True
    world.turn()
    world.turn()
    assert world.submitted == ["s3://state/savepoints/savepoint-1"]


@pytest.mark.parametrize(
    ("known", "restored"), [(True, "s3://state/savepoints/savepoint-1"), (False, "s3://state/a/chk-7")]
)
def test_a_job_that_is_over_before_the_next_look_hands_its_savepoint_on_or_else_its_checkpoint(
    world: World, *, known: bool, restored: str
) -> None:
    world.flink.add(OLD, "a")
    world.flink.points["a"] = "s3://state/a/chk-7"
    world.flink.savepoint_done = False
    world.turn()
    world.flink.end("a", "CANCELED")
    world.flink.savepoint_done, world.flink.savepoint_fails = known, not known
    world.turn()
    assert world.submitted == [restored]


def test_a_savepoint_that_fails_is_taken_again_and_the_old_job_goes_on(world: World) -> None:
    world.flink.add(OLD, "a")
    world.flink.savepoint_fails = True
    with pytest.raises(TransientError, match="disk full"):
        world.turn()
    assert world.flink.cancelled == []
    world.flink.savepoint_fails = False
    world.turn()
    world.turn()
    assert world.submitted == ["s3://state/savepoints/savepoint-1"]


def test_a_job_that_does_not_run_cannot_be_saved_and_its_checkpoint_has_to_do(world: World) -> None:
    world.flink.add(OLD, "a", "RESTARTING")
    world.flink.points["a"] = "s3://state/chk-4"
    world.turn()
    assert world.flink.cancelled == ["a"]
    world.turn()
    assert world.submitted == ["s3://state/chk-4"]


def test_a_job_that_is_gone_comes_back_from_its_newest_checkpoint(world: World) -> None:
    world.flink.add(NEW, "a")
    for point in ("s3://state/chk-4", "s3://state/chk-5"):
        world.flink.points["a"] = point
        world.turn()
    world.flink.all.clear()  # a JobManager that was killed remembers nothing
    world.turn()
    assert world.submitted == ["s3://state/chk-5"]


def test_what_cannot_be_restored_from_is_given_up_and_the_committed_offsets_have_to_do(world: World) -> None:
    world.points.note("s3://state/chk-5")
    world.turn()
    world.flink.add(NEW, "a", "FAILED", started=world.now)
    world.turn()
    assert world.submitted == ["s3://state/chk-5", None]
    for _ in range(3):
        assert world.turn() == "submitted; Flink does not show the job yet", "the one that failed is not this one"
    assert len(world.submitted) == 2


def test_a_path_that_the_job_server_fails_on_is_given_up_as_well(world: World) -> None:
    world.points.note("s3://state/chk-5")
    world.refused = True
    world.turn()
    world.turn()
    assert world.submitted == ["s3://state/chk-5", None]


def test_of_two_jobs_one_is_ended(world: World) -> None:
    world.flink.add(NEW, "a")
    world.flink.add(NEW, "b", started=5)
    assert world.turn() is None
    assert world.flink.cancelled == ["b"]


def test_a_checkpoint_completed_after_the_last_look_is_found_in_the_folder(tmp_path: Path) -> None:
    points = RestorePoints(f"file://{tmp_path}", "tests.demo")
    assert points.newest() is None
    for number in (8, 9, 10):
        (tmp_path / "job" / f"chk-{number}").mkdir(parents=True)
        if number != 10:
            (tmp_path / "job" / f"chk-{number}" / "_metadata").touch()
    points.note(f"file:{tmp_path}/job/chk-8")
    assert points.newest() == f"file://{tmp_path}/job/chk-9", "the tenth was not completed"
    assert RestorePoints(f"file://{tmp_path}", "tests.demo").newest() == points.newest(), "known after a restart"
    assert RestorePoints(f"file://{tmp_path}", "tests.other").newest() is None
    points.refuse(f"file://{tmp_path}/job/chk-9")
    assert points.newest() == f"file://{tmp_path}/job/chk-8"


def test_settings_travel_without_secrets_and_meet_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    travelled = travelling(SETTINGS)
    assert "hush" not in travelled
    assert "*" not in travelled
    monkeypatch.setenv("HOLDED_KAFKA__SASL_PASSWORD", "hush")
    monkeypatch.setenv("HOLDED_SCHEMA_REGISTRY__PASSWORD", "hush")
    monkeypatch.setenv("HOLDED_POD_NAME", "taskmanager-3")
    assert arrived(travelled) == SETTINGS.model_copy(update={"pod_name": "taskmanager-3"})
    arrived.cache_clear()


def test_the_name_of_a_job_says_pipeline_and_settings() -> None:
    name = job_name(SETTINGS)
    assert name.startswith(job_prefix(SETTINGS))
    assert job_name(SETTINGS.model_copy(update={"pod_name": "another", "log_level": "debug"})) == name
    assert job_name(SETTINGS.model_copy(update={"dedup_window_seconds": 7})) != name
    assert json.loads(travelling(SETTINGS))["pipeline"]["name"] == "demo"


@pytest.mark.parametrize("restore", [None, "s3://state/chk-5"])
def test_options_name_cluster_pool_and_state(restore: str | None) -> None:
    found: Any = options(SETTINGS, FLINK, restore)
    assert "--environment_config=localhost:50000" in found
    assert (f"--savepoint_path={restore}" in found) == (restore is not None)
