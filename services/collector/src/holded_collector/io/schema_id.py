"""The schema id of raw records: asked for in the background until the registry knows it, then kept for good."""

import threading

import structlog
from tenacity import RetryCallState, Retrying, sleep_using_event, stop_when_event_set, wait_exponential_jitter

from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import CollectorSettings
from holded_contracts.topics import Artefact, subject
from holded_contracts.wire import frame

log = structlog.get_logger(__name__)


class SchemaIdLookup:
    """The wire header of raw records, once the registry has told its id; the registry may come late and go away."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._topic = settings.topics.raw
        # One try a turn: the retrying here is the one that tells its reason to /ready.
        self._reader = RegistryReader(settings.schema_registry, patience_seconds=0.0)
        self._header: bytes | None = None
        self._reason = f"the schema registry at {settings.schema_registry.url} has not answered yet"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_up, name="schema-id", daemon=True)

    def start(self) -> None:
        """Start to ask; returns at once."""
        self._thread.start()

    def header(self) -> bytes | None:
        """Return the bytes before every Avro body, None as long as the id is unknown."""
        return self._header

    def unavailable(self) -> str | None:
        """Return why the id is unknown, None once it is known."""
        return None if self._header is not None else self._reason

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()

    def _look_up(self) -> None:
        retrying = Retrying(
            # Whatever goes wrong here, even an answer that makes no sense, may be right at the next try.
            stop=stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            wait=wait_exponential_jitter(multiplier=0.5, max=5.0),
            before_sleep=self._tell,
            retry_error_callback=lambda _: None,
        )
        schema_id = retrying(self._reader.schema_id, self._topic, Artefact.RAW)
        self._reader.close()
        if schema_id is not None:
            self._header = frame(schema_id)
            log.info("schema id known", subject=subject(self._topic), schema_id=schema_id)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        reason = f"the schema id of {subject(self._topic)} is not known: {error}"
        if reason != self._reason:
            log.warning("schema id unknown", reason=str(error))
        self._reason = reason
