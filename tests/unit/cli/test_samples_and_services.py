"""The services treat each sample as its kind says: judged by their own code, without Kafka between them."""

from collections import Counter
from pathlib import Path

import pytest

from holded_cli.samples import Kind, generate
from holded_collector.validation import judge
from holded_contracts.identity import DEFAULT_ID_HEADERS
from holded_contracts.reasons import DeadLetterReason
from holded_contracts.settings import CollectorLimits
from holded_worker.domain.envelope import open_envelope
from holded_worker.domain.records import RawEvent, Refusal

RECEIVED_AT = 1_795_000_000_000_000
"""2026-11-18, microseconds."""
MAX_STRING_LENGTH = 65_535

EVENTS = Path(__file__).parents[2] / "data" / "events.json"


@pytest.fixture(scope="module")
def judgement():
    return judge(EVENTS.read_bytes(), CollectorLimits(), DEFAULT_ID_HEADERS)


def test_the_collector_rejects_the_rejected_and_nothing_else(judgement):
    expected = {index for index, sample in enumerate(generate()) if sample.kind is Kind.REJECTED}
    assert set(judgement.rejected) == expected


def test_accepted_events_have_one_identity_each_but_for_the_duplicates(judgement):
    samples = generate()
    seen = set()
    for accepted in judgement.accepted:
        again = accepted.event_id in seen
        assert again == (samples[accepted.index].kind is Kind.DUPLICATE), samples[accepted.index].about
        seen.add(accepted.event_id)


def test_the_worker_refuses_the_dead_letters_and_nothing_else(judgement):
    samples = generate()
    reasons: Counter[str] = Counter()
    for accepted in judgement.accepted:
        sample = samples[accepted.index]
        raw = RawEvent("raw", 0, 0, 1, accepted.event_id, RECEIVED_AT, accepted.type, None, accepted.payload)
        opened = open_envelope(raw, MAX_STRING_LENGTH)
        assert isinstance(opened, Refusal) == (sample.kind is Kind.DEAD_LETTER), sample.about
        if isinstance(opened, Refusal):
            expected = "invalid_type" if sample.about.startswith("headers.type") else "invalid_field"
            assert opened.reason is DeadLetterReason(expected), sample.about
            reasons[expected] += 1
        else:
            assert bool(opened.sanitized) == ("\\u0000" in accepted.payload.decode()), sample.about
    assert reasons == {"invalid_type": 6, "invalid_field": 6}
