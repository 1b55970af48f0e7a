"""What each service and `holded` say when a connection's security does not fit: the very words of /ready and of the log."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from holded_cli.main import app
from holded_collector.io.publisher import KafkaPublisher
from holded_collector.metrics import Metrics
from holded_contracts.io.registry import RegistryReader, RegistryUnavailableError
from holded_contracts.settings import (
    CollectorSettings,
    KafkaSettings,
    MySQLSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    SinkSettings,
    WorkerSettings,
)
from holded_contracts.topics import Artefact
from holded_sink.errors import SystemicError, TransientError
from holded_sink.io.connection import Database
from holded_sink.io.consumer import SilverSource
from holded_worker.io.errors import TransientError as WorkerTransientError
from holded_worker.io.topology import Admin, read_topology
from tests.support.secured import HOST, WRONG_HOST, Certificates, Secured
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

CA, CREDENTIALS = "spec.kafka.security.caSecretRef must hold", "spec.kafka.security.credentialsSecretRef"

KAFKA_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "foreign authority": ({"ssl_ca_location": "foreign"}, CA),
    "the machine's authorities": ({"ssl_ca_location": None}, CA),
    "wrong password": ({"sasl_password": "wrong"}, CREDENTIALS),
    "no client certificate": (
        {"bootstrap_servers": "mutual", "security_protocol": "SSL", "sasl_mechanism": None},
        "spec.kafka.security.clientCertificateSecretRef",
    ),
    "wrong host name": (
        {"bootstrap_servers": "misnamed", "security_protocol": "SSL", "sasl_mechanism": None},
        "spec.kafka.bootstrapServers",
    ),
    "plain text to TLS": (
        {"security_protocol": "PLAINTEXT", "sasl_mechanism": None, "ssl_ca_location": None},
        "correct spec.kafka.security.protocol",
    ),
}


@pytest.fixture(scope="module")
def files(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of authorities, by name."""
    tmp_path = tmp_path_factory.mktemp("authorities")
    found = {"good": secured.certificates.ca, "foreign": Certificates().ca, "empty": ""}
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in found} | {"missing": str(tmp_path / "missing")}


@pytest.fixture(scope="module")
def common(secured: Secured, files: dict[str, str]) -> Callable[..., dict[str, Any]]:
    """Settings that every service has, with some of Kafka's changed."""

    def settings(**changed: Any) -> dict[str, Any]:
        wanted = {
            "bootstrap_servers": "sasl",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": secured.kafka.account.username,
            "sasl_password": secured.kafka.account.password,
            "ssl_ca_location": "good",
            **changed,
        }
        wanted["bootstrap_servers"] = getattr(secured.kafka, wanted["bootstrap_servers"])
        wanted["ssl_ca_location"] = files.get(wanted["ssl_ca_location"] or "")
        if wanted["sasl_mechanism"] is None:
            wanted |= {"sasl_username": None, "sasl_password": None}
        registry = SchemaRegistrySettings(url=secured.registry_url)
        kafka = KafkaSettings(**wanted)
        return {"pipeline": PipelineSettings(name="demo"), "kafka": kafka, "schema_registry": registry}

    return settings


def collector_says(common: dict[str, Any], says: str) -> str:
    publisher = KafkaPublisher(CollectorSettings(**common), Metrics())
    publisher.start()
    try:
        return wait_until(lambda: _with(says, publisher.unavailable()), timeout=60, what=says)
    finally:
        publisher.close(0)


def worker_says(common: dict[str, Any], says: str) -> str:
    settings = WorkerSettings(**common)
    with pytest.raises(WorkerTransientError) as away:
        read_topology(Admin(settings), settings.topics)
    return str(away.value)


def sink_says(common: dict[str, Any], says: str) -> str:
    mysql = MySQLSettings(host=HOST, username="u", password=SecretStr("p"))
    source = SilverSource(SinkSettings(**common, mysql=mysql), stop=threading.Event(), beat=lambda: None)
    source.idle(0.1)
    return str(source.problem)


def _with(words: str, said: str | None) -> str:
    return said if said is not None and words in said else ""


SERVICES = {"collector": collector_says, "worker": worker_says, "sink": sink_says}
KAFKA_CASES = [(service, name) for name in KAFKA_FAULTS for service in SERVICES]


@pytest.fixture(scope="module")
def told(common: Callable[..., dict[str, Any]]) -> dict[tuple[str, str], str]:
    """What each service says of each fault of Kafka's; all at once, since most of it is waiting for time-outs."""

    def ask(case: tuple[str, str]) -> str:
        changed, says = KAFKA_FAULTS[case[1]]
        return SERVICES[case[0]](common(**changed), says)

    with ThreadPoolExecutor(len(KAFKA_CASES)) as pool:
        return dict(zip(KAFKA_CASES, pool.map(ask, KAFKA_CASES), strict=True))


@pytest.mark.parametrize(("service", "name"), KAFKA_CASES)
def test_each_service_names_the_field_of_kafka(service: str, name: str, told: dict[tuple[str, str], str]) -> None:
    assert KAFKA_FAULTS[name][1] in told[service, name]
    assert "wrong" not in told[service, name], "a password is never told"


REGISTRY_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "foreign authority": ({"ca_location": "foreign"}, "spec.schemaRegistry.caSecretRef must hold"),
    "the machine's authorities": ({"ca_location": None}, "spec.schemaRegistry.caSecretRef must hold"),
    "wrong host name": ({"host": WRONG_HOST}, "spec.schemaRegistry.url must give a host"),
    "wrong password": ({"password": "wrong"}, "spec.schemaRegistry.credentialsSecretRef"),
    "no password": ({"username": None}, "spec.schemaRegistry.credentialsSecretRef"),
    "plain text to TLS": ({"scheme": "http", "ca_location": None}, "spec.schemaRegistry.url must begin with https"),
}


@pytest.mark.parametrize("name", REGISTRY_FAULTS)
def test_the_reader_of_every_service_names_the_field_of_the_registry(
    name: str, secured: Secured, files: dict[str, str]
) -> None:
    changed, says = REGISTRY_FAULTS[name]
    account = secured.registry_account
    wanted: dict[str, Any] = {"username": account.username, "password": account.password, "ca_location": "good"}
    wanted |= changed
    url = secured.registry_url.replace(HOST, wanted.pop("host", HOST))
    url = url.replace("https", wanted.pop("scheme", "https"))
    settings = SchemaRegistrySettings(url=url, **wanted | {"ca_location": files.get(wanted["ca_location"] or "")})
    reader = RegistryReader(settings, patience_seconds=0)
    with pytest.raises(RegistryUnavailableError, match=says) as away:
        reader.schema_id("topic", Artefact.RAW)
    assert "wrong" not in str(away.value)
    reader.close()


MYSQL_FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "foreign authority": ({"ca_location": "foreign"}, "spec.mysql.tls.caSecretRef", "HOLDED_MYSQL__CA_LOCATION"),
    "empty authority": ({"ca_location": "empty"}, "spec.mysql.tls.caSecretRef: no PEM", "HOLDED_MYSQL__CA_LOCATION"),
    "missing authority": ({"ca_location": "missing"}, "spec.mysql.tls.caSecretRef: no", "HOLDED_MYSQL__CA_LOCATION"),
    "wrong host name": ({"host": WRONG_HOST}, "spec.mysql.host must stand in", "HOLDED_MYSQL__HOST must stand in"),
    "wrong password": ({"password": "wrong"}, "spec.mysql.credentialsSecretRef", "HOLDED_MYSQL__PASSWORD"),
    "plain text to TLS": ({"tls": "Disabled"}, "spec.mysql.tls.mode must not", "HOLDED_MYSQL__TLS must not"),
}


def mysql_settings(secured: Secured, files: dict[str, str], **changed: Any) -> MySQLSettings:
    account = secured.mysql_account
    wanted = {
        "host": HOST,
        "port": secured.mysql_port,
        "database": "sys",
        "username": account.username,
        "password": account.password,
        "tls": "VerifyIdentity",
        "ca_location": "good",
        **changed,
    }
    return MySQLSettings(**wanted | {"ca_location": files[wanted["ca_location"]]})


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Callable[[MySQLSettings], str]:
    """Run `holded report` against a database and return what it printed."""

    def run(settings: MySQLSettings) -> str:
        variables = settings.model_dump(mode="json") | {"password": settings.password.get_secret_value()}
        for name, value in variables.items():
            monkeypatch.setenv(f"HOLDED_MYSQL__{name.upper()}", str(value))
        result = CliRunner().invoke(app, ["report"])
        assert result.exit_code == 1
        assert not isinstance(result.exception, Exception), result.exception
        return " ".join(result.output.split())

    return run


@pytest.mark.parametrize("name", MYSQL_FAULTS)
def test_the_sink_and_the_command_line_name_the_field_of_mysql(
    name: str, secured: Secured, files: dict[str, str], cli: Callable[[MySQLSettings], str]
) -> None:
    changed, resource, variable = MYSQL_FAULTS[name]
    settings = mysql_settings(secured, files, **changed)
    with pytest.raises((SystemicError, TransientError), match=resource) as told, Database(settings).cursor():
        pass
    assert f"'{secured.mysql_account.username}'" not in str(told.value)
    assert variable in cli(settings)


def test_the_sink_and_the_command_line_reach_mysql_by_tls(
    secured: Secured, files: dict[str, str], cli: Callable[[MySQLSettings], str]
) -> None:
    settings = mysql_settings(secured, files)
    with Database(settings).cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
        assert str((cursor.fetchone() or ("", ""))[1]).startswith("TLS")
    assert "the migrations have not run here yet" in cli(settings), "connected, to a database that is none of ours"
