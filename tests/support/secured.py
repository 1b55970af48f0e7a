"""Kafka, registry and MySQL that ask for TLS and credentials, with certificates made for one test run.

One broker has every kind of listener, so that one container serves all cases. The registry's image knows no basic
authentication without an identity provider, so TLS and password are a proxy's in front of it, as behind an ingress.
"""

import base64
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trustme
import uvicorn
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.containers import free_port, kafka_container, mysql_container, registry_container
from tests.support.waiting import wait_until

HOST = "127.0.0.1"
"""The only name in the servers' certificates."""
WRONG_HOST = "localhost"
"""Leads to the same servers under a name that is not in their certificates."""
_TLS = "/tls"


@dataclass(frozen=True)
class Account:
    """A user of one of the systems."""

    username: str
    password: str


@dataclass(frozen=True)
class ClientCertificate:
    """PEM texts."""

    certificate: str
    key: str


class Certificates:
    """An authority of its own with what it signs, all PEM."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="Test")
        self.ca = self._authority.cert_pem.bytes().decode()

    def server(self, name: str = HOST) -> ClientCertificate:
        """Return a certificate for a host name or address."""
        return _pem(self._authority.issue_cert(name))

    def client(self) -> ClientCertificate:
        """Return a certificate for a client."""
        return _pem(self._authority.issue_cert("holded-pipeline", common_name="holded-pipeline"))


def _pem(issued: trustme.LeafCert) -> ClientCertificate:
    # Kafka reads keys in PKCS #8 alone.
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ClientCertificate("".join(blob.bytes().decode() for blob in issued.cert_chain_pems), key.decode())


@dataclass(frozen=True)
class SecuredKafka:
    """Addresses of the listeners of one broker."""

    open: str
    """Plain text: how tests prepare the broker, and what a client that wants TLS must not accept."""
    sasl: str
    """SASL_SSL with PLAIN and SCRAM-SHA-512."""
    mutual: str
    """SSL, where a client's certificate is required."""
    misnamed: str
    """SSL by a certificate for another host."""
    account: Account


@dataclass(frozen=True)
class Secured:
    """The secured systems of a run."""

    certificates: Certificates
    kafka: SecuredKafka
    registry_url: str
    registry_account: Account
    mysql_port: int
    mysql_account: Account


@contextmanager
def secured_systems(folder: Path) -> Iterator[Secured]:
    """Run all three, started at the same time; the folder takes the certificates that they read."""
    certificates = Certificates()
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        kafka = pool.submit(stack.enter_context, secured_kafka(certificates, folder / "kafka"))
        registry = pool.submit(stack.enter_context, secured_registry(certificates, folder / "registry"))
        mysql = pool.submit(stack.enter_context, secured_mysql(certificates, folder / "mysql"))
        yield Secured(certificates, kafka.result(), *registry.result(), *mysql.result())


@contextmanager
def secured_kafka(certificates: Certificates, folder: Path) -> Iterator[SecuredKafka]:
    """Run a broker with an open, a SASL_SSL and two SSL listeners."""
    account = _account("kafka")
    server, misnamed = certificates.server(), certificates.server("another.example")
    _write(
        folder,
        {
            "ca.pem": certificates.ca,
            "server.pem": server.key + server.certificate,
            "misnamed.pem": misnamed.key + misnamed.certificate,
        },
    )
    ports = {name: free_port() for name in ("SECRET", "MUTUAL", "MISNAMED")}
    modules = "org.apache.kafka.common.security"
    environment = {
        "KAFKA_SSL_KEYSTORE_TYPE": "PEM",
        "KAFKA_SSL_KEYSTORE_LOCATION": f"{_TLS}/server.pem",
        "KAFKA_SSL_TRUSTSTORE_TYPE": "PEM",
        "KAFKA_SSL_TRUSTSTORE_LOCATION": f"{_TLS}/ca.pem",
        "KAFKA_LISTENER_NAME_MUTUAL_SSL_CLIENT_AUTH": "required",
        "KAFKA_LISTENER_NAME_MISNAMED_SSL_KEYSTORE_TYPE": "PEM",
        "KAFKA_LISTENER_NAME_MISNAMED_SSL_KEYSTORE_LOCATION": f"{_TLS}/misnamed.pem",
        "KAFKA_LISTENER_NAME_SECRET_SASL_ENABLED_MECHANISMS": "PLAIN,SCRAM-SHA-512",
        "KAFKA_LISTENER_NAME_SECRET_PLAIN_SASL_JAAS_CONFIG": f"{modules}.plain.PlainLoginModule required"
        f' user_{account.username}="{account.password}";',
        "KAFKA_LISTENER_NAME_SECRET_SCRAM___SHA___512_SASL_JAAS_CONFIG": f"{modules}.scram.ScramLoginModule required;",
    }
    listeners = {"SECRET": "SASL_SSL", "MUTUAL": "SSL", "MISNAMED": "SSL"}
    with kafka_container(
        {name: (protocol, ports[name]) for name, protocol in listeners.items()},
        environment,
        volumes={str(folder): {"bind": _TLS, "mode": "ro"}},
    ) as (_, bootstrap):
        _add_scram_user(bootstrap, account)
        secret, mutual, other = (f"{HOST}:{port}" for port in ports.values())
        yield SecuredKafka(bootstrap, secret, mutual, other, account)


def _add_scram_user(bootstrap: str, account: Account) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    change = UserScramCredentialUpsertion(account.username, credential, account.password.encode())
    for done in admin.alter_user_scram_credentials([change]).values():
        done.result(timeout=30)


@contextmanager
def secured_mysql(certificates: Certificates, folder: Path) -> Iterator[tuple[int, Account]]:
    """Run MySQL with a certificate of ours, without plain text."""
    server = certificates.server()
    _write(folder, {"ca.pem": certificates.ca, "server.pem": server.certificate, "server.key": server.key})
    files = {"ca": "ca.pem", "cert": "server.pem", "key": "server.key"}
    flags = [f"--ssl-{option}={_TLS}/{name}" for option, name in files.items()]
    volumes = {str(folder): {"bind": _TLS, "mode": "ro"}}
    with mysql_container("--require-secure-transport=ON", *flags, volumes=volumes) as (_, port, password):
        yield port, Account("root", password)


@contextmanager
def secured_registry(certificates: Certificates, folder: Path) -> Iterator[tuple[str, Account]]:
    """Run a registry behind TLS and basic authentication; yields the URL of its Confluent API."""
    server = certificates.server()
    _write(folder, {"server.pem": server.certificate, "server.key": server.key})
    account = _account("registry")
    expected = "Basic " + base64.b64encode(f"{account.username}:{account.password}".encode()).decode()
    with registry_container() as (_, inside):
        origin, path = inside[: inside.index("/apis")], inside[inside.index("/apis") :]
        client = httpx.AsyncClient(timeout=30, verify=False)  # no TLS inside; a context would cost its time

        async def forward(request: Request) -> Response:
            if request.headers.get("Authorization") != expected:
                return Response(status_code=401, headers={"WWW-Authenticate": "Basic"})
            headers = {name: request.headers[name] for name in ("Content-Type", "Accept") if name in request.headers}
            url, body = f"{origin}{request.url.path}?{request.url.query}", await request.body()
            answer = await client.request(request.method, url, content=body, headers=headers)
            return Response(answer.content, answer.status_code, {"Content-Type": answer.headers["Content-Type"]})

        app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST", "PUT", "DELETE"])])
        config = uvicorn.Config(
            app,
            host=HOST,
            port=free_port(),
            log_level="critical",
            ssl_certfile=folder / "server.pem",
            ssl_keyfile=folder / "server.key",
        )
        proxy = uvicorn.Server(config)
        thread = threading.Thread(target=proxy.run, daemon=True)
        thread.start()
        wait_until(lambda: proxy.started, what="the proxy listens")
        yield f"https://{HOST}:{config.port}{path}", account
        proxy.should_exit = True
        thread.join(timeout=10)


def _account(username: str) -> Account:
    return Account(username, secrets.token_urlsafe(12))


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write files that a container's user may read; pytest's own folders are closed to others."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    for name, content in files.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o644)
