"""Takes credentials out of what is shown or packed. Pure.

Two ways: what looks like a credential, and the very values of the Secrets that a pipeline names, where they are known.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

REDACTED = "[redacted]"
SHORTEST = 4
"""Characters of the shortest Secret value that is looked for: a shorter one would be found in every word."""

_WORDS = r"pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|private[-_ ]?key|credentials?|authorization|cookie"
_NAME = re.compile(rf"(?i)(?:{_WORDS})$")
_WORD = re.compile(r"[\w-]+")
_PATTERNS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?i)(?<=://)[^\s/@]*:[^\s/@]*(?=@)"),
    re.compile(r"(?i)(?<=\bbearer )\S+|(?<=\bbasic )[A-Za-z0-9+/=]{8,}"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(
        rf"(?i)(?P<before>(?:{_WORDS})\\?[\"']?\s*[:=]\s*)(?P<quote>\\?[\"'])?(?!\[redacted)"
        r"(?P<value>(?(quote)(?:(?!\\?[\"']).)+|[^\s,;\"'}\])]+))"
    ),
)


def redacted(value: Any, secrets: Iterable[str] = ()) -> Any:
    """Return a JSON document without credentials; `secrets` are texts that are taken out wherever they stand.

    A reference to a Secret stays: it names the Secret, and that is what a reader has to know.
    """
    known = tuple(secrets)
    if isinstance(value, Mapping):
        return {key: redacted_field(str(key), item, known) for key, item in _without_value(value).items()}
    if isinstance(value, list | tuple):
        return [redacted(item, known) for item in value]
    return redacted_text(value, known) if isinstance(value, str) else value


def redacted_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without credentials."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    for pattern in _PATTERNS:
        text = pattern.sub(_replacement, text)
    return text


def redacted_field(name: str, value: Any, secrets: Iterable[str] = ()) -> Any:
    """Return the value of a field without credentials: a text under a name that says credential is one."""
    if isinstance(value, str) and value and _NAME.search(name):
        return REDACTED
    return redacted(value, secrets)


def secret_texts(values: Iterable[bytes], public: str) -> tuple[str, ...]:
    """Return every form in which a Secret's values may stand somewhere, the longest first.

    A word that `public` says in clear (a user name that is also the name of the database) is no secret.
    """
    words = set(_WORD.findall(public))
    forms = {form for value in values for form in _forms(value)} - words
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _forms(value: bytes) -> Iterator[str]:
    text = value.decode(errors="ignore").strip()
    for part in (text, *text.splitlines()):
        if len(part) >= SHORTEST:
            yield part
            yield quote(part, safe="")
            yield json.dumps(part)[1:-1]
    if len(value) >= SHORTEST:
        yield base64.b64encode(value).decode()


def _without_value(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry {name, value} (an environment variable) without its value if its name says credential."""
    if isinstance(document.get("value"), str) and _NAME.search(str(document.get("name") or "")):
        return {**document, "value": REDACTED}
    return dict(document)


def _replacement(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return f"{groups['before']}{groups['quote'] or ''}{REDACTED}" if groups.get("before") else REDACTED
