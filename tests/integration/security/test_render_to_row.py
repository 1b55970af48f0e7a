"""A resource with every security field, reconciled and run as it is rendered, against systems that take nothing less."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from holded_contracts.settings import MySQLSettings
from holded_operator.constants import ANNOTATION_SECRET_CHECKSUM
from tests.integration.security.harness import SecuredPipeline, login, mutual
from tests.support.gold import rows
from tests.support.pods import Pod
from tests.support.secured import HOST, Account
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

COMPONENTS = ("collector", "worker", "sink")


@contextmanager
def running(pipeline: SecuredPipeline, root: Path) -> Iterator[dict[str, Pod]]:
    """Run a pod of each component as they are rendered now."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(pipeline.pod(name, root).running()) for name in COMPONENTS}


def send(collector: Pod, number: int) -> str:
    event = {
        "data": {"id": f"tx-{number}", "amount": 12.5, "currency": "EUR"},
        "headers": {"type": "Holded\\Wallet\\Domain\\Transaction\\Events\\WalletTransactionCreatedEvent"},
    }
    answer = httpx.post(f"{collector.url}/collect", content=json.dumps([event]), timeout=30)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["results"][0]["event_id"])


def stored(pipeline: SecuredPipeline) -> set[str]:
    account = pipeline.secured.mysql_account
    settings = MySQLSettings(
        host=HOST,
        port=pipeline.secured.mysql_port,
        database=pipeline.spec["mysql"]["database"],
        username=account.username,
        password=account.password,
    )
    return {row[0] for row in rows(settings, "SELECT BIN_TO_UUID(event_id) FROM events")}


def checksums(pipeline: SecuredPipeline) -> dict[str, str]:
    return {
        name: pipeline.workload(name)["spec"]["template"]["metadata"]["annotations"][ANNOTATION_SECRET_CHECKSUM]
        for name in COMPONENTS
    }


def test_events_become_rows_with_every_connection_secured_and_still_after_every_credential_was_rotated(
    pipeline_on_secured: SecuredPipeline, tmp_path: Path
) -> None:
    pipeline = pipeline_on_secured
    pipeline.reconcile()
    before = checksums(pipeline)
    with running(pipeline, tmp_path) as pods:
        for pod in pods.values():
            pod.wait_ready()
        first = send(pods["collector"], 1)
        wait_until(lambda: stored(pipeline) == {first}, timeout=120, what="the first event is a row")

    # A new user of MySQL with a new password, and certificates instead of passwords for Kafka.
    account = Account(f"u_{secrets.token_hex(4)}", secrets.token_urlsafe(12))
    pipeline.create_mysql_user(account)
    pipeline.secrets["mysql"] = login(account)
    pipeline.reconcile()
    rotated = checksums(pipeline)
    assert {name for name in COMPONENTS if rotated[name] != before[name]} == {"sink"}, "only who uses it is rolled"

    pipeline.spec["kafka"] = {"bootstrapServers": pipeline.secured.kafka.mutual, "security": mutual()}
    bundle = pipeline.foreign.ca + pipeline.secured.certificates.ca
    pipeline.secrets["authority"] = {"ca.crt": bundle.encode()}
    pipeline.reconcile()
    assert all(checksums(pipeline)[name] != rotated[name] for name in COMPONENTS)
    with running(pipeline, tmp_path) as pods:
        for pod in pods.values():
            pod.wait_ready()
        second = send(pods["collector"], 2)
        wait_until(lambda: stored(pipeline) == {first, second}, timeout=120, what="the second event is a row")
        logs = "".join(pod.log() for pod in pods.values())
    for secret in pipeline.secrets.values():
        assert not any(secret[key].decode() in logs for key in ("password", "tls.key") if key in secret)


def test_pods_with_a_password_that_is_no_more_say_so_and_take_no_event(
    pipeline_on_secured: SecuredPipeline, tmp_path: Path
) -> None:
    pipeline = pipeline_on_secured
    pipeline.reconcile()
    for name in ("kafka", "mysql"):
        pipeline.secrets[name] = pipeline.secrets[name] | {"password": b"a-former-one"}
    with running(pipeline, tmp_path) as pods:
        for pod in pods.values():
            pod.wait_not_ready("check username and password in the Secret of spec.kafka.security.credentialsSecretRef")
            assert "a-former-one" not in pod.log()
        refused = httpx.post(f"{pods['collector'].url}/collect", json=[], timeout=30)
        assert refused.status_code == 503


def test_a_wrong_secret_leaves_running_pods_alone_and_healing_it_changes_nothing(
    pipeline_on_secured: SecuredPipeline,
) -> None:
    pipeline = pipeline_on_secured
    pipeline.reconcile()
    before, good = checksums(pipeline), pipeline.secrets["mysql"]
    pipeline.secrets["mysql"] = good | {"password": b"wrong"}
    pipeline.reconcile()
    assert pipeline.condition("DatabaseReady")["reason"] == "DatabaseAccessDenied"
    assert checksums(pipeline) == before
    pipeline.secrets["mysql"] = good
    pipeline.reconcile()
    assert pipeline.condition("DatabaseReady")["status"] == "True"
    assert checksums(pipeline) == before
