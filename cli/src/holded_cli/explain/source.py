"""What is explained: the events of a file, and the rules of a resource. Pure but for `read_file`."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from pydantic import ValidationError

from holded_collector.jsontext import NotAnArrayError, NotJSONError, split_array
from holded_contracts.identity import DEFAULT_ID_HEADERS
from holded_contracts.settings import CollectorLimits
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.constants import KIND
from holded_operator.desired.settings import collector_settings, worker_settings
from holded_operator.desired.worker import rules_digest
from holded_operator.validation import problems_of, validate
from holded_worker.domain.process import Rules


class InputError(Exception):
    """A file cannot be used; the sentence says why."""


class Setup(NamedTuple):
    """All that decides what becomes of an event; as without a resource where a field is not given."""

    rules: Rules
    limits: CollectorLimits = CollectorLimits()
    id_headers: tuple[str, ...] = DEFAULT_ID_HEADERS
    deduplicates: bool = True


def read_file(path: Path) -> bytes:
    """Return the content of a file, or of standard input for `-`.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error


def split_events(document: bytes) -> list[bytes]:
    """Return the events of a JSON array, of JSON lines, or of one JSON object; each with the bytes it has there.

    Raises
    ------
    InputError
        If the document begins like an array and is none.
    """
    text = document.removeprefix(b"\xef\xbb\xbf").strip()
    if text.startswith(b"["):
        try:
            return split_array(text)
        except (NotJSONError, NotAnArrayError) as error:
            raise InputError(f"expected a JSON array of events: {error}") from error
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return [line.strip() for line in text.splitlines() if line.strip()]
    return [text]


def setup_of(manifest: bytes | None) -> Setup:
    """Return the rules, limits and id headers of the HoldedPipeline in a manifest; the built-in ones for None.

    Raises
    ------
    InputError
        If the manifest has not exactly one HoldedPipeline, or the operator would refuse it; every fault has its field.
    """
    if manifest is None:
        return Setup(Rules("built-in"))
    pipeline = _pipeline(manifest)
    problems = validate(pipeline)
    if problems:
        raise InputError("; ".join(map(str, problems)))
    version = rules_digest(pipeline.spec.worker)
    worker, collector = worker_settings(pipeline, version=version), collector_settings(pipeline, version=version)
    return Setup(Rules.of(worker), collector.limits, collector.event_id_headers, worker.dedup_window_seconds > 0)


def _pipeline(manifest: bytes) -> HoldedPipeline:
    try:
        documents = list(yaml.safe_load_all(manifest))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"not YAML: {error}") from error
    found = [document for document in documents if isinstance(document, dict) and document.get("kind") == KIND]
    if len(found) != 1:
        raise InputError(f"expected one {KIND}, found {len(found)}")
    body: dict[str, Any] = found[0]
    for part in ("metadata", "spec"):
        if not isinstance(body.get(part), dict):
            raise InputError(f"{part}: is missing; it must be an object")
    try:
        return HoldedPipeline.from_body(body)
    except ValidationError as error:
        raise InputError("; ".join(map(str, problems_of(error)))) from error
