"""Generated events: deterministic, each with an identity of its own, and each ends where its kind says."""

import json
from itertools import islice

import pytest

from holded_cli.sample_events import EVENT_TYPES
from holded_cli.samples import Kind
from holded_cli.send.events import DUPLICATE_WINDOW, Generator, InputError, select_types, split_array, type_of
from holded_cli.send.mixture import Shares
from holded_collector.validation import judge
from holded_contracts.identity import DEFAULT_ID_HEADERS
from holded_contracts.settings import CollectorLimits
from holded_worker.domain.envelope import open_envelope
from holded_worker.domain.records import RawEvent, Refusal

RECEIVED_AT = 1_795_000_000_000_000
"""2026-11-18, microseconds."""
MIX = Shares.of(duplicates=0.1, rejected=0.05, dead_letters=0.05)
TOTAL = 2000


@pytest.fixture(scope="module")
def events():
    return list(Generator(7).events(MIX, TOTAL))


@pytest.fixture(scope="module")
def judgement(events):
    body = b"[" + b",".join(event.payload for event in events) + b"]"
    return judge(body, CollectorLimits(), DEFAULT_ID_HEADERS)


def test_the_seed_decides_every_byte(events):
    assert list(Generator(7).events(MIX, TOTAL)) == events
    assert list(Generator(8).events(MIX, TOTAL)) != events


def test_a_generator_can_be_used_again(events):
    generator = Generator(7)
    assert list(generator.events(MIX, TOTAL)) == list(generator.events(MIX, TOTAL)) == events


def test_a_longer_run_begins_like_a_run_without_end():
    assert list(Generator(7).events(MIX, 1000)) == list(islice(Generator(7).events(MIX, None), 1000))


def test_the_collector_rejects_the_rejected_and_nothing_else(events, judgement):
    assert set(judgement.rejected) == {n for n, event in enumerate(events) if event.kind is Kind.REJECTED}


def test_accepted_events_have_one_identity_each_but_for_the_duplicates(events, judgement):
    seen = set()
    for accepted in judgement.accepted:
        again = accepted.event_id in seen
        assert again == (events[accepted.index].kind is Kind.DUPLICATE)
        seen.add(accepted.event_id)


def test_the_worker_refuses_the_dead_letters_and_nothing_else(events, judgement):
    for accepted in judgement.accepted:
        raw = RawEvent("raw", 0, 0, 1, accepted.event_id, RECEIVED_AT, accepted.type, None, accepted.payload)
        refused = isinstance(open_envelope(raw, 65_535), Refusal)
        assert refused == (events[accepted.index].kind is Kind.DEAD_LETTER)


def test_identities_of_two_seeds_are_disjoint(judgement):
    body = b"[" + b",".join(event.payload for event in Generator(8).events(MIX, TOTAL)) + b"]"
    other = judge(body, CollectorLimits(), DEFAULT_ID_HEADERS)
    assert not {event.event_id for event in other.accepted} & {event.event_id for event in judgement.accepted}


def test_events_of_every_type_and_speciality_are_made(events):
    golds = [event.payload for event in events if event.kind is Kind.GOLD]
    assert {type_of(payload) for payload in golds} == {item.full_name for item in EVENT_TYPES}
    text = b"".join(golds)
    assert b"X-Event-Id" in text
    assert b"\\u0000" in text
    assert "🙏".encode() in text


def test_duplicates_are_exact_or_in_another_key_order_and_not_far_behind():
    events = list(Generator(3).events(Shares.of(duplicates=0.3), 1000))
    payloads = [event.payload for event in events if event.kind is Kind.GOLD]
    copies = [event.payload for event in events if event.kind is Kind.DUPLICATE]
    exact = [copy for copy in copies if copy in payloads]
    assert exact
    assert len(exact) < len(copies)
    assert DUPLICATE_WINDOW >= 1000


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["Wallet"], {"WalletTransactionCreated", "WalletTransactionReconciled", "BankAccountConnected"}),
        (["Wallet/*Created", "Crm/Lead*"], {"WalletTransactionCreated", "LeadWon", "LeadStageChanged"}),
        (["*/Invoice*"], {"InvoiceCreated", "InvoiceSent", "InvoicePaid"}),
        ([], {item.name for item in EVENT_TYPES}),
    ],
)
def test_types_are_chosen_by_glob_over_context_and_name(patterns, expected):
    assert {item.name for item in select_types(patterns)} == expected


def test_a_glob_that_matches_nothing_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match="no event type matches Walet; there are Wallet/WalletTransactionCreated"):
        select_types(["Wallet", "Walet"])


def test_only_the_chosen_types_are_sent():
    generator = Generator(1, select_types(["Crm"]))
    types = {type_of(event.payload) for event in generator.events(Shares.of(duplicates=0.2), 500)}
    assert types == {item.full_name for item in EVENT_TYPES if item.context == "Crm"}


@pytest.mark.parametrize("document", [b"{}", b"[1,", b"", b"null", b"[1] 2"])
def test_what_is_no_array_is_refused(document):
    with pytest.raises(InputError, match="JSON array"):
        split_array(document)


def test_elements_keep_the_bytes_they_have_in_the_file():
    events = split_array(b'[ {"n": 18446744073709551615, "x" : 1.10},{"b":2} , "\xc3\xb1"]')
    assert [event.payload for event in events] == [
        b'{"n": 18446744073709551615, "x" : 1.10}',
        b'{"b":2}',
        b'"\xc3\xb1"',
    ]
    assert {event.kind for event in events} == {None}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"headers": {"type": "T"}, "data": {}}, "T"),
        ({"headers": {"type": 4}}, None),
        ({"data": {}}, None),
        (None, None),
    ],
)
def test_the_type_of_an_event_is_its_header(event, expected):
    assert type_of(json.dumps(event).encode()) == expected


def test_the_type_is_found_in_legal_json_that_a_strict_parser_refuses():
    assert type_of(b'{"data": {"a": "\\ud800"}, "headers": {"type": "T", "x": "\\ud800"}}') == "T"
    assert type_of(b"{") is None
