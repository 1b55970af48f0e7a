"""Secrets in the pods: which are used, under which variable, at which path. Their content is never read here."""

from dataclasses import dataclass
from typing import Any

from holded_contracts.settings.render import variable
from holded_operator.api.v1alpha1 import CaSecretRef, HoldedPipeline, SecretRef
from holded_operator.desired import settings
from holded_operator.desired.state import Component

_READ_ONLY_BY_GROUP = 0o440


@dataclass(frozen=True, slots=True)
class SecretUse:
    """How a component uses Secrets."""

    names: tuple[str, ...]
    env: tuple[dict[str, Any], ...]
    volumes: tuple[dict[str, Any], ...]
    mounts: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _File:
    secret: str
    key: str
    path: str


def secret_use(pipeline: HoldedPipeline, component: Component) -> SecretUse:
    """Return what a component needs of the Secrets that the spec names."""
    credentials = _credentials(pipeline, component)
    folders = _folders(pipeline, component)
    api_keys = pipeline.spec.collector.authentication.secret_ref if component is Component.COLLECTOR else None
    volumes = [_projected(name, files) for name, (_, files) in folders.items()]
    mounts = [_mount(name, path) for name, (path, _) in folders.items()]
    used = {ref.name for ref, _ in credentials} | {file.secret for _, files in folders.values() for file in files}
    if api_keys is not None:
        volumes.append(
            {"name": "api-keys", "secret": {"secretName": api_keys.name, "defaultMode": _READ_ONLY_BY_GROUP}}
        )
        mounts.append(_mount("api-keys", settings.API_KEYS_DIR))
        used.add(api_keys.name)
    return SecretUse(
        names=tuple(sorted(used)),
        env=tuple(entry for ref, variables in credentials for entry in _env(ref, *variables)),
        volumes=tuple(volumes),
        mounts=tuple(mounts),
    )


def _credentials(pipeline: HoldedPipeline, component: Component) -> list[tuple[SecretRef, tuple[str, str]]]:
    spec = pipeline.spec
    used = [
        (
            spec.kafka.security.credentials_secret_ref,
            (variable("kafka", "sasl_username"), variable("kafka", "sasl_password")),
        ),
        (
            spec.schema_registry.credentials_secret_ref,
            (variable("schema_registry", "username"), variable("schema_registry", "password")),
        ),
    ]
    if component is Component.SINK:
        used.append((spec.mysql.credentials_secret_ref, (variable("mysql", "username"), variable("mysql", "password"))))
    return [(ref, variables) for ref, variables in used if ref is not None]


def _env(ref: SecretRef, username: str, password: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"name": name, "valueFrom": {"secretKeyRef": {"name": ref.name, "key": key}}}
        for name, key in ((username, "username"), (password, "password"))
    )


def _folders(pipeline: HoldedPipeline, component: Component) -> dict[str, tuple[str, list[_File]]]:
    spec = pipeline.spec
    kafka = _authorities(spec.kafka.security.ca_secret_ref)
    certificate = spec.kafka.security.client_certificate_secret_ref
    if certificate is not None:
        kafka += [_File(certificate.name, name, name) for name in (settings.CERTIFICATE_FILE, settings.KEY_FILE)]
    folders = {
        "kafka": (settings.KAFKA_DIR, kafka),
        "schema-registry": (settings.SCHEMA_REGISTRY_DIR, _authorities(spec.schema_registry.ca_secret_ref)),
    }
    if component is Component.SINK:
        folders["mysql"] = (settings.MYSQL_DIR, _authorities(spec.mysql.tls.ca_secret_ref))
    return {name: (path, files) for name, (path, files) in folders.items() if files}


def _authorities(ref: CaSecretRef | None) -> list[_File]:
    return [] if ref is None else [_File(ref.name, ref.key, settings.CA_FILE)]


def _projected(name: str, files: list[_File]) -> dict[str, Any]:
    by_secret: dict[str, list[dict[str, str]]] = {}
    for file in files:
        by_secret.setdefault(file.secret, []).append({"key": file.key, "path": file.path})
    sources = [{"secret": {"name": secret, "items": items}} for secret, items in by_secret.items()]
    return {"name": name, "projected": {"defaultMode": _READ_ONLY_BY_GROUP, "sources": sources}}


def _mount(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "mountPath": path, "readOnly": True}
