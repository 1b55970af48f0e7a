"""The schema registry by its Confluent REST API.

Measured with Apicurio 3.3.3 (ccompat v7), whose answers differ from Confluent's in two places that matter here: a
failed compatibility check carries no messages (the 409 of a registration does), and a subject without a level of its
own answers the global one instead of 404.
"""

import threading
from collections import OrderedDict
from typing import Any
from urllib.parse import quote

import httpx

from holded_contracts import advice
from holded_contracts.io.tls import AuthoritiesError, client_context
from holded_operator.exceptions import IncompatibleSchemaError, RegistryRefusedError, RegistryUnavailableError
from holded_operator.gateways.interfaces import RegisteredSchema, RegistryAccess

REQUEST_TIMEOUT_SECONDS = 8.0
"""Time for one request; the registry answers in milliseconds when it is up."""

CLIENTS_KEPT = 32
"""Connection pools of this many different ways of access stay open."""

_NOT_FOUND_CODES = {40401, 40402, 40403, 40408}
"""Confluent's codes for: no such subject, version, schema, subject-level compatibility."""
_TRANSIENT_STATUS = {408, 425, 429}
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class SchemaRegistry:
    """The `RegistryGateway` of production. Safe for use by several threads."""

    def __init__(self, *, request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> None:
        self._timeout = request_timeout_seconds
        self._clients: OrderedDict[RegistryAccess, httpx.Client] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def find(self, access: RegistryAccess, subject: str, schema: str) -> RegisteredSchema | None:
        """Return where exactly this schema stands in the subject, None when it does not."""
        answer = self._ask(access, "POST", f"/subjects/{_path(subject)}", f"look up subject {subject!r}", schema=schema)
        if answer is None:
            return None
        return RegisteredSchema(schema_id=int(answer["id"]), version=int(answer["version"]))

    def incompatibilities(self, access: RegistryAccess, subject: str, schema: str) -> list[str] | None:
        """Return why the schema breaks the subject's rule against its latest version; None when it does not.

        The list may be empty although there is an incompatibility: not every registry says why.
        """
        path = f"/compatibility/subjects/{_path(subject)}/versions/latest?verbose=true"
        answer = self._ask(access, "POST", path, f"check subject {subject!r}", schema=schema)
        if answer is None or answer.get("is_compatible"):
            return None
        return [str(message) for message in answer.get("messages") or ()]

    def register(self, access: RegistryAccess, subject: str, schema: str) -> RegisteredSchema:
        """Add the schema as the subject's latest version.

        Raises
        ------
        IncompatibleSchemaError
            If the registry's rule for the subject refuses it.
        """
        what = f"register subject {subject!r}"
        self._ask(access, "POST", f"/subjects/{_path(subject)}/versions", what, schema=schema, subject=subject)
        found = self.find(access, subject, schema)
        if found is None:
            raise RegistryUnavailableError(access.url, f"subject {subject!r} was registered but cannot be found yet")
        return found

    def compatibility(self, access: RegistryAccess, subject: str) -> str | None:
        """Return the subject's own compatibility level, None when it has none."""
        answer = self._ask(access, "GET", f"/config/{_path(subject)}", f"read the configuration of {subject!r}")
        return None if answer is None else str(answer.get("compatibilityLevel"))

    def set_compatibility(self, access: RegistryAccess, subject: str, level: str) -> None:
        """Set the subject's own compatibility level."""
        what = f"set the compatibility of {subject!r} to {level}"
        self._ask(access, "PUT", f"/config/{_path(subject)}", what, compatibility=level)

    def delete_subject(self, access: RegistryAccess, subject: str) -> bool:
        """Delete a subject with its versions; False when it did not exist."""
        what = f"delete subject {subject!r}"
        path = f"/subjects/{_path(subject)}"
        existed = self._ask(access, "DELETE", path, what) is not None
        # Confluent keeps a soft-deleted subject until it is deleted for good; Apicurio already has nothing left.
        self._ask(access, "DELETE", f"{path}?permanent=true", what)
        return existed

    def _ask(
        self, access: RegistryAccess, method: str, path: str, what: str, *, subject: str | None = None, **body: str
    ) -> Any:
        """Return the answer's JSON, None when the registry says that it does not know what was asked for."""
        client = self._opened(access)
        try:
            response = client.request(method, access.url.rstrip("/") + path, json=body or None)
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            cause = advice.joined(said, advice.registry(access.url, said))
            raise RegistryUnavailableError(access.url, cause) from error
        except httpx.InvalidURL as error:
            raise RegistryRefusedError(what, f"spec.schemaRegistry.url: {error}") from error
        if response.is_success:
            return _json(response, what)
        code, message = _error(response)
        if response.status_code in _TRANSIENT_STATUS or response.is_server_error:
            raise RegistryUnavailableError(access.url, f"HTTP {response.status_code} {message}".strip())
        if code in _NOT_FOUND_CODES:
            return None
        if response.status_code == httpx.codes.CONFLICT and subject is not None:
            raise IncompatibleSchemaError(subject, "its compatibility rule", [message])
        if response.status_code == httpx.codes.NOT_FOUND:
            message = f"{response.request.url} is unknown to it; spec.schemaRegistry.url must be the base of its API"
        said = f"HTTP {response.status_code} {message}".strip()
        raise RegistryRefusedError(what, advice.joined(said, advice.registry(access.url, said)))

    def _opened(self, access: RegistryAccess) -> httpx.Client:
        with self._lock:
            client = self._clients.get(access)
            if client is None:
                client = self._clients[access] = _client(access, self._timeout)
            self._clients.move_to_end(access)
            while len(self._clients) > CLIENTS_KEPT:
                self._clients.popitem(last=False)[1].close()
            return client


def _client(access: RegistryAccess, timeout: float) -> httpx.Client:
    try:
        verify = client_context(advice.REGISTRY_CA, pem=access.ca)
    except AuthoritiesError as error:
        raise RegistryRefusedError("be asked", str(error)) from error
    auth = None
    if access.username is not None and access.password is not None:
        auth = httpx.BasicAuth(access.username, access.password)
    headers = {"Content-Type": _CONTENT_TYPE, "Accept": f"{_CONTENT_TYPE}, application/json"}
    return httpx.Client(auth=auth, verify=verify, timeout=timeout, headers=headers, trust_env=False)


def _path(subject: str) -> str:
    return quote(subject, safe="")


def _json(response: httpx.Response, what: str) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise RegistryRefusedError(what, f"{response.request.url} does not answer JSON") from error


def _error(response: httpx.Response) -> tuple[int | None, str]:
    try:
        document = response.json()
        return document.get("error_code"), str(document.get("message") or "")[:1000]
    except (ValueError, AttributeError):
        return None, response.text[:200]
