"""Reading side of a Confluent-compatible schema registry: ids of our subjects, schemas of ids; both cached for good."""

from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from holded_contracts import advice
from holded_contracts.io.tls import client_context
from holded_contracts.settings import SchemaRegistrySettings
from holded_contracts.topics import Artefact, subject
from holded_contracts.wire import parse_schema, parsed_schema, schema_text


class RegistryUnavailableError(Exception):
    """The registry cannot be reached or answers 5xx: a transient fault, to be retried."""


class UnknownSchemaError(Exception):
    """The registry answers that it does not know the id or subject: a permanent fault of what asked for it."""


class RegistryReader:
    """Looks up what the operator has registered. An id never changes its schema, so nothing is asked for twice.

    Making one raises AuthoritiesError when the settings name a file of authorities that holds none.
    """

    def __init__(self, settings: SchemaRegistrySettings, *, patience_seconds: float = 60.0) -> None:
        self._patience = patience_seconds
        self._schemas: dict[int, Any] = {}
        auth = None
        if settings.username is not None and settings.password is not None:
            auth = httpx.BasicAuth(settings.username, settings.password.get_secret_value())
        verify = client_context(advice.REGISTRY_CA, file=settings.ca_location)
        self._client = httpx.Client(base_url=settings.url, auth=auth, verify=verify, timeout=10.0)

    def close(self) -> None:
        """Close the connection pool."""
        self._client.close()

    def schema_id(self, topic: str, artefact: Artefact) -> int:
        """Return the id under which our own version of a schema is registered for a topic.

        Raises
        ------
        RegistryUnavailableError
            If there is no usable answer within the patience given.
        UnknownSchemaError
            If the subject or this version of it is not registered.
        """
        answer = self._ask("POST", f"/subjects/{subject(topic)}", json={"schema": schema_text(artefact)})
        return int(answer["id"])

    def schema(self, schema_id: int) -> Any:
        """Return the parsed writer schema of an id; errors as in `schema_id`."""
        if schema_id not in self._schemas:
            answer = self._ask("GET", f"/schemas/ids/{schema_id}")
            parsed = parse_schema(answer["schema"])
            # The very object where it is equal to one of ours: fastavro compares the two schemas for each record.
            ours = (parsed_schema(artefact) for artefact in Artefact)
            self._schemas[schema_id] = next((schema for schema in ours if schema == parsed), parsed)
        return self._schemas[schema_id]

    def _ask(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        retrying = Retrying(
            retry=retry_if_exception_type(RegistryUnavailableError),
            wait=wait_exponential_jitter(multiplier=0.2, max=5.0),
            stop=stop_after_delay(self._patience),
            reraise=True,
        )
        return retrying(self._ask_once, method, path, **kwargs)

    def _ask_once(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        where = f"{method} {str(self._client.base_url).rstrip('/')}{path}"
        try:
            response = self._client.request(method, path, **kwargs)
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            raise RegistryUnavailableError(f"{where}: {self._with_advice(said)}") from error
        if response.status_code == httpx.codes.NOT_FOUND:
            raise UnknownSchemaError(f"{where}: {response.text[:200]}")
        if response.is_error:
            # 401 and 403 are configuration faults that an edit of the Secret heals, so they are retried as well.
            said = f"HTTP {response.status_code} {response.text[:200]}".strip()
            raise RegistryUnavailableError(f"{where}: {self._with_advice(said)}")
        result: dict[str, Any] = response.json()
        return result

    def _with_advice(self, said: str) -> str:
        return advice.joined(said, advice.registry(str(self._client.base_url), said))
