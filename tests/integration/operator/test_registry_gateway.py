"""The registry gateway against a real registry (Apicurio's Confluent API)."""

import json
import secrets
from typing import Any

import pytest

from holded_contracts.settings import SchemaRegistrySettings
from holded_operator.exceptions import IncompatibleSchemaError, RegistryRefusedError, RegistryUnavailableError
from holded_operator.gateways.interfaces import RegistryAccess
from holded_operator.gateways.registry import SchemaRegistry
from tests.support.containers import free_port

pytestmark = pytest.mark.integration


def schema(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, *fields]})


OPTIONAL = schema({"name": "b", "type": ["null", "string"], "default": None})
REQUIRED = schema({"name": "b", "type": "string"})


@pytest.fixture
def access(schema_registry: SchemaRegistrySettings) -> RegistryAccess:
    return RegistryAccess(schema_registry.url)


@pytest.fixture
def subject() -> str:
    return f"gateway-{secrets.token_hex(4)}-value"


@pytest.fixture
def gateway() -> SchemaRegistry:
    return SchemaRegistry()


def test_a_schema_is_registered_and_found(gateway: SchemaRegistry, access: RegistryAccess, subject: str) -> None:
    assert gateway.find(access, subject, schema()) is None
    assert gateway.incompatibilities(access, subject, schema()) is None
    first = gateway.register(access, subject, schema())
    assert first.version == 1
    assert gateway.find(access, subject, schema()) == first
    assert gateway.register(access, subject, schema()) == first, "again, without a second version"

    second = gateway.register(access, subject, OPTIONAL)
    assert second.version == 2
    assert second.schema_id != first.schema_id


def test_a_schema_that_breaks_the_rule_is_refused_with_the_reason(
    gateway: SchemaRegistry, access: RegistryAccess, subject: str
) -> None:
    gateway.set_compatibility(access, subject, "BACKWARD")
    gateway.register(access, subject, schema())
    assert gateway.compatibility(access, subject) == "BACKWARD"
    assert gateway.incompatibilities(access, subject, OPTIONAL) is None
    assert gateway.incompatibilities(access, subject, REQUIRED) is not None
    with pytest.raises(IncompatibleSchemaError, match=r"fields/1") as caught:
        gateway.register(access, subject, REQUIRED)
    assert subject in str(caught.value)
    assert gateway.find(access, subject, REQUIRED) is None


def test_a_deleted_subject_is_gone_and_can_come_back(
    gateway: SchemaRegistry, access: RegistryAccess, subject: str
) -> None:
    gateway.register(access, subject, schema())
    assert gateway.delete_subject(access, subject)
    assert not gateway.delete_subject(access, subject)
    assert gateway.find(access, subject, schema()) is None
    assert gateway.register(access, subject, schema()).version == 1


def test_the_registry_s_refusal_is_told(gateway: SchemaRegistry, access: RegistryAccess, subject: str) -> None:
    with pytest.raises(RegistryRefusedError, match=r"HTTP 422"):
        gateway.register(access, subject, "{broken")
    with pytest.raises(RegistryRefusedError, match=r"HTTP 422"):
        gateway.set_compatibility(access, subject, "NONSENSE")


def test_a_wrong_path_is_not_taken_for_a_missing_subject(
    gateway: SchemaRegistry, access: RegistryAccess, subject: str
) -> None:
    wrong = RegistryAccess(access.url.replace("/apis/ccompat/v7", "/apis/nothing"))
    with pytest.raises(RegistryRefusedError, match=r"spec\.schemaRegistry\.url"):
        gateway.find(wrong, subject, schema())


def test_an_unreachable_registry_names_address_and_cause(gateway: SchemaRegistry, subject: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/apis/ccompat/v7"
    with pytest.raises(RegistryUnavailableError, match=r"Connection refused") as caught:
        gateway.find(RegistryAccess(url, username="the-user", password="the-password"), subject, schema())
    assert url in str(caught.value)
    assert "the-password" not in str(caught.value)


def test_a_certificate_authority_that_is_none_is_a_refusal(gateway: SchemaRegistry, subject: str) -> None:
    with pytest.raises(RegistryRefusedError, match=r"caSecretRef"):
        gateway.find(RegistryAccess("https://registry", ca="nonsense"), subject, schema())
