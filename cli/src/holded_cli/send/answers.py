"""What an answer of the collector means for the events of its request. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx
import msgspec

_ANSWERS = frozenset({httpx.codes.ACCEPTED, httpx.codes.MULTI_STATUS, httpx.codes.UNPROCESSABLE_ENTITY})
_LATER = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})


class BatchFailedError(Exception):
    """A batch got no answer for its events and never will; the sentence says which answer it got instead."""


class RetryLaterError(Exception):
    """The collector cannot take events now, or cannot be reached."""

    def __init__(self, message: str, cause: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        """The status, or `connection`."""
        self.seconds = seconds
        """Its Retry-After, where it sent one."""


class FieldError(msgspec.Struct):
    """What is wrong with one field; an empty name is the event itself."""

    field: str
    message: str = ""


class Verdict(msgspec.Struct):
    """What became of one event."""

    index: int
    status: Literal["accepted", "rejected"]
    event_id: str | None = None
    errors: list[FieldError] = []

    @property
    def fields(self) -> set[str]:
        """The fields that caused a rejection: an event with two wrong fields counts for both."""
        return {error.field or "event" for error in self.errors}


class Answer(msgspec.Struct):
    """The verdicts on all events of a request, in the order sent."""

    accepted: int
    rejected: int
    results: list[Verdict]


_decode_answer = msgspec.json.Decoder(Answer).decode


def read_answer(response: httpx.Response, events: int) -> Answer:
    """Return the verdicts of an answer to a request with so many events.

    Raises
    ------
    RetryLaterError
        After 429 and 503.
    BatchFailedError
        After any other status, and when the body does not account for each event: nothing is taken for accepted then.
    """
    if response.status_code in _LATER:
        wait = retry_after_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
        raise RetryLaterError(describe(response), str(response.status_code), wait)
    if response.status_code not in _ANSWERS:
        raise BatchFailedError(describe(response))
    try:
        answer = _decode_answer(response.content)
    except msgspec.DecodeError as error:
        raise BatchFailedError(f"unreadable answer ({error}): {describe(response)}") from error
    if not _accounts_for(answer, response.status_code, events):
        raise BatchFailedError(f"the answer does not account for its {events} events: {describe(response)}")
    return answer


def _accounts_for(answer: Answer, status: int, events: int) -> bool:
    accepted = [verdict for verdict in answer.results if verdict.status == "accepted"]
    return (
        [verdict.index for verdict in answer.results] == list(range(events))
        and answer.accepted == len(accepted)
        and answer.rejected == events - len(accepted)
        and all(verdict.event_id for verdict in accepted)
        and not (status == httpx.codes.ACCEPTED and answer.rejected)
        and not (status == httpx.codes.UNPROCESSABLE_ENTITY and answer.accepted)
    )


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Return the wait a Retry-After header asks for, in seconds; None when it has no usable value."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def describe(response: httpx.Response) -> str:
    """Return request, status and the start of the body in one line."""
    return f"{response.request.method} {response.request.url}: {response.status_code} {response.text[:300].strip()}"
