"""A pipeline on secured systems: Kubernetes in memory, everything else real."""

import secrets
from pathlib import Path
from typing import Any

import pymysql

from holded_operator.config import OperatorConfig
from holded_operator.constants import API_VERSION, KIND
from holded_operator.context import Context
from holded_operator.desired import Images
from holded_operator.gateways.kafka import KafkaAdmin
from holded_operator.gateways.mysql import MySQLDatabase
from holded_operator.gateways.registry import SchemaRegistry
from holded_operator.reconciler import Reconciler
from tests.support.fake_kubernetes import FakeKubernetes
from tests.support.fake_systems import FakeFlink
from tests.support.fake_writes import Writes
from tests.support.migrations import SQL_DIR
from tests.support.pods import Pod
from tests.support.secured import HOST, Account, Certificates, ClientCertificate, Secured

NAME = "demo"


class SecuredPipeline:
    """One resource with an operator of its own; edit `spec` and `secrets`, then `reconcile`."""

    def __init__(self, secured: Secured, database: str, *, kafka_timeout: float = 15.0) -> None:
        self.secured = secured
        self.foreign = Certificates()
        """Of an authority that nobody trusts."""
        self.kubernetes = FakeKubernetes(Writes())
        self.secrets = self.kubernetes.secrets
        self.secrets |= {
            "authority": {"ca.crt": secured.certificates.ca.encode()},
            "kafka": login(secured.kafka.account),
            "client": key_pair(secured.certificates.client()),
            "registry": login(secured.registry_account),
            "mysql": login(secured.mysql_account),
        }
        self.spec: dict[str, Any] = {
            "kafka": {"bootstrapServers": secured.kafka.sasl, "security": scram()},
            "schemaRegistry": {
                "url": secured.registry_url,
                "credentialsSecretRef": {"name": "registry"},
                "caSecretRef": {"name": "authority"},
            },
            "mysql": {
                "host": HOST,
                "port": secured.mysql_port,
                "database": database,
                "credentialsSecretRef": {"name": "mysql"},
                "tls": {"mode": "VerifyIdentity", "caSecretRef": {"name": "authority"}},
            },
            "topics": {
                topic: {"name": f"{database}.{topic}", "partitions": 1}
                for topic in ("raw", "silver", "deadLetter", "analytics", "ledger")
            },
        }
        self._kafka, self._registry = KafkaAdmin(request_timeout_seconds=kafka_timeout), SchemaRegistry()
        self._reconciler = Reconciler(
            Context(
                config=OperatorConfig(migrations_dir=SQL_DIR),
                images=Images(collector="c:1", worker="w:1", sink="s:1"),
                kubernetes=self.kubernetes,
                kafka=self._kafka,
                registry=self._registry,
                database=MySQLDatabase(SQL_DIR),
                flink=FakeFlink(),
            )
        )

    def reconcile(self) -> None:
        """Apply the spec as it is now and let the operator make one pass."""
        if NAME not in self.kubernetes.pipelines:
            metadata = {"name": NAME, "namespace": "tests"}
            self.kubernetes.create({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": self.spec})
        elif self.kubernetes.pipelines[NAME]["spec"] != self.spec:
            self.kubernetes.edit(NAME, **self.spec)
        self._reconciler.reconcile("tests", NAME)

    def condition(self, kind: str) -> dict[str, str]:
        conditions = self.kubernetes.pipelines[NAME]["status"]["conditions"]
        return next(entry for entry in conditions if entry["type"] == kind)

    def workload(self, component: str) -> dict[str, Any]:
        kind = "Deployment" if component == "collector" else "StatefulSet"
        return self.kubernetes.objects[kind, f"{NAME}-{component}"]

    def pod(self, component: str, root: Path) -> Pod:
        """Return a pod of a component as it is rendered now, with the Secrets as they are now."""
        maps = {name: item for (kind, name), item in self.kubernetes.objects.items() if kind == "ConfigMap"}
        folder = root / f"{component}-{secrets.token_hex(4)}"
        folder.mkdir()
        return Pod(self.workload(component), maps, dict(self.secrets), folder)

    def create_mysql_user(self, account: Account) -> None:
        """Create a user that has this pipeline's database and must come by TLS."""
        root, database = self.secured.mysql_account, self.spec["mysql"]["database"]
        connection = pymysql.connect(
            host=HOST, port=self.secured.mysql_port, user=root.username, password=root.password, autocommit=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER {account.username} IDENTIFIED BY %s REQUIRE SSL", (account.password,))
            cursor.execute(f"GRANT ALL ON {database}.* TO {account.username}")

    def close(self) -> None:
        self._kafka.close()
        self._registry.close()


def scram(mechanism: str = "SCRAM-SHA-512") -> dict[str, Any]:
    return {
        "protocol": "SASL_SSL",
        "saslMechanism": mechanism,
        "credentialsSecretRef": {"name": "kafka"},
        "caSecretRef": {"name": "authority"},
    }


def mutual() -> dict[str, Any]:
    return {
        "protocol": "SSL",
        "caSecretRef": {"name": "authority"},
        "clientCertificateSecretRef": {"name": "client"},
    }


def login(account: Account) -> dict[str, bytes]:
    return {"username": account.username.encode(), "password": account.password.encode()}


def key_pair(pair: ClientCertificate) -> dict[str, bytes]:
    return {"tls.crt": pair.certificate.encode(), "tls.key": pair.key.encode()}
