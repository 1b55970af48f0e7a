import json
import uuid

import pytest

from holded_collector.refusal import Refusal
from holded_collector.validation import FieldProblem, Judgement, judge
from holded_contracts.canary import CANARY_TYPE
from holded_contracts.identity import DEFAULT_ID_HEADERS, derive_event_id
from holded_contracts.settings import CollectorLimits

TYPE = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent"
GOOD = json.dumps({"headers": {"type": TYPE}, "data": {"amount": 1}}).encode()


def judged(*events: bytes, limits: CollectorLimits | None = None) -> Judgement:
    return judge(b"[" + b",".join(events) + b"]", limits or CollectorLimits(), DEFAULT_ID_HEADERS)


def problems(event: object, limits: CollectorLimits | None = None) -> list[FieldProblem]:
    text = event if isinstance(event, bytes) else json.dumps(event).encode()
    judgement = judged(text, limits=limits)
    assert not judgement.accepted
    return judgement.rejected[0]


def test_an_accepted_event_keeps_its_bytes_and_gets_the_contract_s_identity() -> None:
    odd = (
        b'{ "data" : {"b":1.0e0,"a":"\xf0\x9f\x98\x80"},"headers":{"type":"'
        + TYPE.replace("\\", "\\\\").encode()
        + b'"}}'
    )
    [event] = judged(odd).accepted
    assert event.payload == odd
    assert event.type == TYPE
    assert event.event_id == derive_event_id(odd, TYPE, {"type": TYPE}, DEFAULT_ID_HEADERS)


def test_order_and_spacing_do_not_change_the_identity_but_content_does() -> None:
    one, same, other = judged(
        b'{"headers":{"type":"T"},"data":{"a":1,"b":2}}',
        b'{"data": {"b":2, "a":1}, "headers": {"type":"T"}}',
        b'{"headers":{"type":"T"},"data":{"a":1,"b":3}}',
    ).accepted
    assert one.event_id == same.event_id != other.event_id


@pytest.mark.parametrize("header", DEFAULT_ID_HEADERS)
def test_an_id_header_is_the_identity(header: str) -> None:
    own = uuid.uuid4()
    event = json.dumps({"headers": {"type": TYPE, header: str(own)}, "data": {}}).encode()
    assert judged(event).accepted[0].event_id == own.bytes


@pytest.mark.parametrize(
    ("event", "field", "message"),
    [
        ([], "", "must be an object, not an array"),
        (None, "", "must be an object, not null"),
        (True, "", "must be an object, not a boolean"),
        (1.5, "", "must be an object, not a number"),
        ("x", "", "must be an object, not a string"),
        ({"data": {}}, "headers", "is missing; it must be an object"),
        ({"headers": [], "data": {}}, "headers", "must be an object, not an array"),
        ({"headers": {}, "data": {}}, "headers.type", "is missing; it must be a string"),
        ({"headers": {"type": 5}, "data": {}}, "headers.type", "must be a string, not a number"),
        ({"headers": {"type": None}, "data": {}}, "headers.type", "must be a string, not null"),
        ({"headers": {"type": ""}, "data": {}}, "headers.type", "must not be empty"),
        ({"headers": {"type": "x" * 501}, "data": {}}, "headers.type", "must have at most 500 characters"),
        (
            {"headers": {"type": CANARY_TYPE}, "data": {}},
            "headers.type",
            "is reserved for the pipeline's own canary: use another type",
        ),
        ({"headers": {"type": TYPE}}, "data", "is missing; it must be an object"),
        ({"headers": {"type": TYPE}, "data": None}, "data", "must be an object, not null"),
    ],
)
def test_each_fault_of_the_envelope_is_named_by_its_path(event: object, field: str, message: str) -> None:
    assert problems(event) == [FieldProblem(field, message)]


def test_all_faults_of_an_event_are_told_at_once() -> None:
    assert [problem.field for problem in problems({"headers": {"type": ""}, "data": 1})] == ["headers.type", "data"]


def test_a_type_of_500_characters_and_any_pattern_are_accepted() -> None:
    assert judged(json.dumps({"headers": {"type": "é" * 500}, "data": {}}).encode()).accepted


def test_an_event_over_the_size_limit_is_rejected_alone() -> None:
    limits = CollectorLimits(max_event_bytes=256)
    large = json.dumps({"headers": {"type": TYPE}, "data": {"a": "x" * 256}}).encode()
    judgement = judged(large, GOOD, limits=limits)
    assert [event.index for event in judgement.accepted] == [1]
    assert judgement.rejected[0] == [FieldProblem("", f"the event has {len(large)} bytes; at most 256 are allowed")]


@pytest.mark.parametrize(("levels", "accepted"), [(8, True), (9, False), (100_000, False)])
def test_an_event_nested_too_deep_is_rejected_alone(levels: int, accepted: bool) -> None:
    inner = b"[" * (levels - 2) + b"]" * (levels - 2)
    event = b'{"headers":{"type":"T"},"data":{"a":' + inner + b"}}"
    judgement = judged(event, GOOD, limits=CollectorLimits(max_depth=8))
    assert judgement.accepted[-1].index == 1
    assert (0 not in judgement.rejected) is accepted


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ({"a": {"b": [1, "x" * 65]}}, "data.a.b[1]", "has 65 characters; at most 64 are allowed"),
        ({"a": {"y" * 65: 1}}, "data.a", "has a key of 65 characters; at most 64 are allowed"),
        ({"\ud800": "x" * 65}, "data.?", "has 65 characters; at most 64 are allowed"),
        ({"a": "é" * 64}, None, None),
        ({"a": ["x" * 60] * 10}, None, None),
    ],
)
def test_an_event_with_too_long_a_string_is_rejected_alone(
    data: object, field: str | None, message: str | None
) -> None:
    event = json.dumps({"headers": {"type": "T"}, "data": data}).encode()
    judgement = judged(event, b'{"headers":{"type":"T"},"data":{}}', limits=CollectorLimits(max_string_length=64))
    assert judgement.accepted[-1].index == 1
    assert judgement.rejected.get(0) == (None if field is None else [FieldProblem(field, message or "")])


def test_the_path_of_a_field_in_an_answer_is_bounded() -> None:
    limits = CollectorLimits(max_string_length=1000)
    event = {"headers": {"type": "T"}, "data": {"k" * 900: "x" * 1001}}
    [problem] = problems(event, limits)
    assert len(problem.field) == 501


@pytest.mark.parametrize(
    "value",
    [b"123456789012345678901234567890", b'"\\ud800"', b"1e400", b'1,"x":2', b'"\\u0000"', b'"\xf0\x9f\x98\x80"'],
)
def test_legal_but_odd_json_is_accepted_as_it_is(value: bytes) -> None:
    event = b'{"headers":{"type":"T"},"data":{"x":' + value + b"}}"
    [accepted] = judged(event).accepted
    assert accepted.payload == event


@pytest.mark.parametrize("value", [b"NaN", b"-Infinity", b'"\xff"'])
def test_what_is_not_json_in_one_event_does_not_touch_its_neighbours(value: bytes) -> None:
    judgement = judged(GOOD, b'{"headers":{"type":"T"},"data":{"x":' + value + b"}}", GOOD)
    assert [event.index for event in judgement.accepted] == [0, 2]
    assert list(judgement.rejected) == [1]


@pytest.mark.parametrize("value", [b"9" * 5000, b"1e99999999999999999999"])
def test_numbers_beyond_every_parser_do_not_touch_their_neighbours(value: bytes) -> None:
    judgement = judged(b'{"headers":{"type":"T"},"data":{"x":' + value + b"}}", GOOD)
    assert judgement.accepted[-1].index == 1


def test_a_lone_surrogate_in_the_type_still_makes_a_record() -> None:
    [event] = judged(b'{"headers":{"type":"T\\ud800"},"data":{}}').accepted
    assert event.type == "T?"


@pytest.mark.parametrize("body", [b"", b"nonsense", b'[{"a":}]', b'[{"headers":{"type":"T"} "data":{}}]', b"[NaN,]"])
def test_a_body_that_is_not_json_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        judge(body, CollectorLimits(), ())
    assert (refused.value.status, refused.value.error) == (400, "not_json")


def test_a_body_that_is_no_array_is_refused_whole() -> None:
    with pytest.raises(Refusal) as refused:
        judge(GOOD, CollectorLimits(), ())
    assert (refused.value.status, refused.value.error) == (400, "not_an_array")


def test_too_many_events_are_refused_whole() -> None:
    with pytest.raises(Refusal) as refused:
        judged(GOOD, GOOD, GOOD, limits=CollectorLimits(max_events_per_request=2))
    assert (refused.value.status, refused.value.error) == (413, "too_many_events")
