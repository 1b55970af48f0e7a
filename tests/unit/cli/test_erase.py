"""In which dead letters an account or user is recognised, and what is told of Kafka."""

import json

import pytest

from holded_cli.erase.subject import Kind, Subject
from holded_cli.erase.topics import in_words
from holded_contracts import wire
from holded_contracts.topics import Artefact

ACME = Subject(Kind.ACCOUNT, "acme")
ANA = Subject(Kind.USER, "ana")
STAMP = r"X-Message-Stamp-Holded\Shared\NewContextStamp"


def payload(stamp: object, **headers: object) -> bytes:
    return json.dumps({"data": {"owner": "acme"}, "headers": {STAMP: stamp} | headers}).encode()


@pytest.mark.parametrize(
    ("stamp", "account", "user"),
    [
        ({"accountId": "acme", "userId": "ana"}, True, True),
        ({"accountId": "other", "userId": "acme"}, False, False),
        ({"accountId": ["acme"], "userId": {"id": "ana"}}, True, True),
        ("acme", True, False),
        (None, False, False),
        ({}, False, False),
    ],
)
def test_the_context_stamp_tells_whose_a_dead_letter_is_even_if_it_is_wrong(stamp, account, user):
    assert (ACME.is_in(payload(stamp)), ANA.is_in(payload(stamp))) == (account, user)


def test_a_number_is_recognised_by_its_digits():
    assert Subject(Kind.ACCOUNT, "42").is_in(payload({"accountId": 42}))


def test_data_that_only_mentions_an_id_is_not_its():
    assert not ACME.is_in(b'{"data": {"accountId": "acme"}, "headers": {"other": {"accountId": "acme"}}}')


@pytest.mark.parametrize("whole", [b"", b"[]", b"null", b'{"headers": []}', b"\x00\x01"])
def test_what_has_no_headers_is_nobodys(whole):
    assert not ACME.is_in(whole)


@pytest.mark.parametrize(
    ("subject_id", "text", "found"),
    [
        ("acme", b'{"accountId" : "acme", "cut', True),
        ("acme", b'{"accountId": "acme2", "cut', False),
        ("acme", b'{"userId": "acme", "cut', False),
        ("e\u00f1e", '{"accountId": "e\u00f1e" \xff'.encode(), True),
        ("e\u00f1e", rb'{"accountId": "e\u00f1e" ', True),
        (".*", b'{"accountId": "acme" ', False),
    ],
)
def test_in_what_is_no_json_the_member_is_looked_for(subject_id, text, found):
    assert Subject(Kind.ACCOUNT, subject_id).is_in(text) is found


def test_whole_records_are_opened():
    fields = {
        "event_id": b"e" * 16,
        "received_at": 1,
        "type": "",
        "source": None,
        "payload": payload({"accountId": "acme"}),
    }
    record = wire.encode(wire.frame(7), wire.parsed_schema(Artefact.RAW), fields)
    assert ACME.is_in(record)
    assert not ANA.is_in(record)


def test_the_audit_log_gets_a_digest_that_tells_accounts_from_users():
    digests = {ACME.digest, Subject(Kind.USER, "acme").digest, ANA.digest}
    assert len(digests) == 3
    assert not any("acme" in digest for digest in digests)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(-1, "for ever"), (604_800_000, "7 days"), (5_400_000, "5400 seconds"), (7_200_000, "2 hours"), (1, "1 ms")],
)
def test_retention_is_told_in_words(milliseconds, text):
    assert in_words(milliseconds) == text
