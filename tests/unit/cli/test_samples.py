"""tests/data/events.json is the generator's output and holds what its README promises."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from holded_cli.samples import CONTEXT_STAMP, ID_HEADER, Kind, Mix, generate, render
from holded_contracts.identity import DEFAULT_ID_HEADERS, canonical_json, derive_event_id

DATA = Path(__file__).parents[2] / "data"
EVENT_TYPE = re.compile(r"Holded\\\w+\\Domain\\\w+\\Events\\\w+Event")


@pytest.fixture(scope="module")
def samples():
    return generate()


def of(samples, kind):
    return [sample for sample in samples if sample.kind is kind]


def identity(event):
    headers = event["headers"]
    return derive_event_id(json.dumps(event).encode(), headers["type"], headers, DEFAULT_ID_HEADERS)


def test_the_file_is_what_the_generator_makes(samples):
    assert (DATA / "events.json").read_text("utf-8") == render(samples), "run: holded samples > tests/data/events.json"


def test_each_kind_has_the_documented_count(samples):
    documented = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", (DATA / "README.md").read_text("utf-8"), re.MULTILINE))
    assert Counter(sample.kind.value for sample in samples) == {kind: int(count) for kind, count in documented.items()}


def test_the_mix_is_rich_enough_for_the_demo(samples):
    gold = of(samples, Kind.GOLD)
    assert len(gold) >= 240
    assert len({sample.event["headers"]["type"] for sample in gold}) >= 20
    assert len(of(samples, Kind.DUPLICATE)) >= 12
    assert len({sample.about for sample in of(samples, Kind.REJECTED)}) >= 6
    assert len({sample.about for sample in of(samples, Kind.DEAD_LETTER)}) >= 8


def test_gold_events_are_distinct_and_well_formed(samples):
    gold = of(samples, Kind.GOLD)
    assert len({identity(sample.event) for sample in gold}) == len(gold)
    for sample in gold:
        assert EVENT_TYPE.fullmatch(sample.event["headers"]["type"])
        assert isinstance(sample.event["data"], dict)


def test_each_duplicate_follows_an_original_of_the_same_identity(samples):
    seen = set()
    kinds: Counter[str] = Counter()
    for sample in samples:
        if sample.kind is Kind.GOLD:
            seen.add(identity(sample.event))
        elif sample.kind is Kind.DUPLICATE:
            assert identity(sample.event) in seen
            kinds[sample.about] += 1
    assert set(kinds) == {"exact copy", "other key order", "same id header, another header"}


def test_a_copy_in_another_key_order_has_other_bytes_and_the_same_canonical_json(samples):
    lines = {json.dumps(sample.event) for sample in of(samples, Kind.GOLD)}
    reordered = [sample for sample in of(samples, Kind.DUPLICATE) if sample.about == "other key order"]
    originals = {canonical_json(line.encode()) for line in lines}
    for sample in reordered:
        text = json.dumps(sample.event)
        assert text not in lines
        assert canonical_json(text.encode()) in originals


def test_rejected_events_lack_what_the_collector_needs(samples):
    for sample in of(samples, Kind.REJECTED):
        event = sample.event
        readable = (
            isinstance(event, dict)
            and isinstance(event.get("data"), dict)
            and isinstance(event.get("headers"), dict)
            and isinstance(event["headers"].get("type"), str)
        )
        assert not readable, sample.about


def test_dead_letters_pass_the_collector_and_fail_in_type_or_headers(samples):
    for sample in of(samples, Kind.DEAD_LETTER):
        headers = sample.event["headers"]
        assert isinstance(sample.event["data"], dict)
        assert isinstance(headers["type"], str)
        stamp = headers[CONTEXT_STAMP]
        plain_stamp = isinstance(stamp, dict) and all(isinstance(value, str) for value in stamp.values())
        fits = EVENT_TYPE.fullmatch(headers["type"]) and plain_stamp and isinstance(headers["targetSubscription"], str)
        assert not fits, sample.about


def test_the_file_holds_text_and_numbers_that_break_careless_code(samples):
    text = render(samples)
    for fragment in (
        "🙏",
        "👩‍👩‍👧‍👦",
        "DROP TABLE",
        "<script>",
        '\\"Peña & Muñoz, S.L.\\"',
        "9007199254740993",
        "18446744073709551615",
        "\\u0000",
        "日本語",
    ):
        assert fragment in text
    assert any(ID_HEADER in sample.event["headers"] for sample in of(samples, Kind.GOLD))
    assert any(CONTEXT_STAMP not in sample.event["headers"] for sample in of(samples, Kind.GOLD))


def test_another_seed_gives_other_events_of_the_same_mix():
    mix = Mix(gold=30, duplicates=4, rejected=3, dead_letters=2)
    one, other = generate(mix, seed=1), generate(mix, seed=2)
    assert render(one) != render(other)
    assert Counter(sample.kind for sample in one) == Counter(sample.kind for sample in other)
    assert mix.accepted == 36
