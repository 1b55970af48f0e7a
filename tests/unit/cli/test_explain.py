"""`holded explain`: the same verdicts as collector and worker give, told step by step."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from holded_cli.explain.run import Accepted, explain
from holded_cli.explain.source import InputError, Setup, setup_of, split_events
from holded_cli.main import app
from holded_cli.samples import Kind, generate
from holded_worker.domain.process import Rules, to_silver

ROOT = Path(__file__).parents[3]
EVENTS = "tests/data/explain/events.jsonl"
RESOURCE = "tests/data/explain/pipeline.yaml"
PAGE = ROOT / "docs" / "guides" / "explaining-events.md"
TYPE = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent"
MOMENT = 1_795_168_800_000_000
EVENT = {"data": {"id": 1}, "headers": {"type": TYPE}}


def run(*arguments, **options):
    return CliRunner().invoke(app, ["explain", *map(str, arguments)], **options)


def explained(*events, **options):
    """Return the JSON document for events given as objects or as text."""
    lines = "\n".join(event if isinstance(event, str) else json.dumps(event) for event in events)
    arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
    result = run("-", "--output", "json", *arguments, input=lines)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def manifest(worker):
    resource = yaml.safe_load((ROOT / RESOURCE).read_text("utf-8"))
    resource["spec"]["worker"] = worker
    return yaml.safe_dump(resource)


def test_the_page_shows_what_the_command_prints(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "110")
    (block,) = re.findall(
        r"<!-- explain-output -->\n```text\n(.*?)```\n<!-- /explain-output -->", PAGE.read_text("utf-8"), re.DOTALL
    )
    command, _, shown = block.partition("\n")
    assert command.startswith("$ holded explain ")
    result = run(*command.removeprefix("$ holded explain ").split())
    assert result.exit_code == 0
    assert [line.rstrip() for line in result.stdout.splitlines()] == shown.splitlines()


def test_the_sample_events_end_as_their_kinds_say():
    samples = generate()
    document = explained(*(sample.event for sample in samples), **{"received-at": "2026-11-20T10:00:00Z"})
    outputs = {
        Kind.GOLD: "silver",
        Kind.DUPLICATE: "duplicate",
        Kind.REJECTED: "rejected",
        Kind.DEAD_LETTER: "dead_letter",
    }
    assert [event["outcome"]["output"] for event in document["events"]] == [outputs[sample.kind] for sample in samples]
    assert document["summary"] == {"events": 280, "silver": 240, "dead_letter": 12, "duplicate": 18, "rejected": 10}


def test_the_steps_tell_what_stands_in_the_silver_record():
    """The outcome comes from the Beam pipeline, the steps from the functions it calls: they must not part."""
    payloads = [json.dumps(sample.event).encode() for sample in generate()]
    setup = setup_of((ROOT / RESOURCE).read_bytes())
    compared: Counter[str] = Counter()
    for event in explain(payloads, setup, MOMENT):
        if isinstance(event, Accepted) and event.silver is not None:
            assert event.steps is not None
            assert to_silver(event.steps.scored, setup.rules, event.silver["processed_at"]) == event.silver
            assert event.silver["quality_score"] == pytest.approx(
                sum(check.weight for check in event.steps.checks if check.passed), abs=1e-4
            )
            compared["silver"] += 1
        elif isinstance(event, Accepted) and event.dead is not None:
            assert event.steps is None
            compared["dead"] += 1
    assert compared == {"silver": 240, "dead": 12}


@pytest.mark.parametrize("weights", [{}, {"completeness": 3, "validity": 1}], ids=["built-in", "beyond one"])
def test_weights_of_all_checks_add_up_to_one_and_those_that_passed_to_the_score(tmp_path, weights):
    resource = tmp_path / "cr.yaml"
    resource.write_text(manifest({"quality": {"weights": weights}}))
    (event,) = explained(EVENT, cr=resource)["events"]
    checks = event["quality"]["checks"]
    assert sum(check["weight"] for check in checks) == pytest.approx(1, abs=1e-4)
    assert sum(check["score"] for check in checks) == pytest.approx(event["quality"]["score"], abs=1e-4)


def test_every_problem_of_an_event_is_told_at_once():
    (event,) = explained(
        {"data": {}, "headers": {"type": "?", "targetSubscription": [], "X-Message-Stamp-ContextStamp": 1}}
    )["events"]
    assert event["outcome"]["reason"] == "invalid_type"
    for field in ("headers.type", "headers.targetSubscription", "headers.X-Message-Stamp-ContextStamp"):
        assert f"{field}: " in event["outcome"]["detail"]


def test_a_duplicate_names_the_event_that_is_in_silver_not_a_refused_one_before():
    bad = {"data": {}, "headers": {"type": TYPE, "X-Event-Id": "1", "targetSubscription": 1}}
    good = {"data": {}, "headers": {"type": TYPE, "X-Event-Id": "1"}}
    outcomes = [event["outcome"] for event in explained(bad, good, good)["events"]]
    assert [outcome["output"] for outcome in outcomes] == ["dead_letter", "silver", "duplicate"]
    assert outcomes[2]["of"] == 1


def test_without_a_deduplication_window_nothing_is_a_duplicate(tmp_path):
    resource = tmp_path / "cr.yaml"
    resource.write_text(manifest({"dedupWindow": "0s"}))
    assert explained(EVENT, EVENT, cr=resource)["summary"]["silver"] == 2


def test_rules_of_the_resource_are_tried_first_and_named_by_their_path(tmp_path):
    resource = tmp_path / "cr.yaml"
    rules = [{"context": "never", "entities": ["Invoice"]}, {"context": "big_money", "domains": ["wallet"]}]
    resource.write_text(manifest({"classification": {"rules": rules}}))
    (event,) = explained(EVENT, cr=resource)["events"]
    assert event["classify"] == {
        "business_context": "big_money",
        "rule": "spec.worker.classification.rules[1]",
        "tried": [
            {"rule": "spec.worker.classification.rules[0]", "context": "never", "mismatch": "entity"},
            {"rule": "spec.worker.classification.rules[1]", "context": "big_money", "mismatch": None},
        ],
    }


def test_an_event_that_no_rule_matches_has_no_rule():
    (event,) = explained(
        {"data": {}, "headers": {"type": r"Holded\Spaceships\Domain\Rocket\Events\RocketLaunchedEvent"}}
    )["events"]
    assert event["classify"]["business_context"] == "other"
    assert event["classify"]["rule"] is None
    assert all(attempt["mismatch"] for attempt in event["classify"]["tried"])


@pytest.mark.parametrize(
    "document",
    [
        b'[{"a": 1}, {"b": 2}]',
        b'{"a": 1}\n\n  {"b": 2}\r\n',
        b'\xef\xbb\xbf[{"a": 1},\n{"b": 2}]',
    ],
    ids=["array", "lines", "byte order mark"],
)
def test_events_are_found_in_arrays_and_lines(document):
    assert [json.loads(event) for event in split_events(document)] == [{"a": 1}, {"b": 2}]


def test_one_event_over_many_lines_is_one_event():
    assert len(split_events(json.dumps(EVENT, indent=2).encode())) == 1
    assert split_events(b" \n") == []


def test_a_line_that_is_no_json_is_rejected_alone():
    document = explained(EVENT, "nonsense", "{},{}", {**EVENT, "more": 1})
    assert [event["outcome"]["output"] for event in document["events"]] == ["silver", "rejected", "rejected", "silver"]


def test_no_events_are_no_fault():
    assert explained()["summary"]["events"] == 0


@pytest.mark.parametrize(
    ("worker", "says"),
    [
        ({"classification": {"rules": [{"context": "Pay Roll"}]}}, "spec.worker.classification.rules[0].context"),
        ({"quality": {"weights": {"validity": -1}}}, "spec.worker.quality.weights.validity"),
        (
            {"quality": {"weights": dict.fromkeys(("completeness", "validity", "consistency", "timeliness"), 0)}},
            "spec.worker.quality.weights: all are 0",
        ),
        ({"clasification": {}}, "spec.worker.clasification"),
    ],
    ids=["context", "weight", "weights of nothing", "unknown field"],
)
def test_a_resource_the_operator_would_refuse_is_named_with_its_field(tmp_path, worker, says):
    resource = tmp_path / "cr.yaml"
    resource.write_text(manifest(worker))
    result = run("-", "--cr", resource, input="[]")
    assert result.exit_code == 1
    assert f"{resource}: " in result.stderr
    assert says in result.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not YAML"),
        ("kind: Pod", "found 0"),
        ("kind: HoldedPipeline", "metadata: is missing"),
        ("kind: HoldedPipeline\n---\nkind: HoldedPipeline", "found 2"),
    ],
    ids=["yaml", "other kind", "no metadata", "two"],
)
def test_a_manifest_without_one_resource_is_refused(text, says):
    with pytest.raises(InputError, match=re.escape(says)):
        setup_of(text.encode())


def test_a_file_that_cannot_be_used_is_named():
    missing = run("no-such-file.json")
    assert missing.exit_code == 1
    assert "no-such-file.json: No such file" in missing.stderr
    broken = run("-", input='[{"data": {}')
    assert broken.exit_code == 1
    assert "expected a JSON array of events" in broken.stderr


def test_without_a_resource_the_built_in_rules_are_those_of_a_resource_that_names_none():
    plain, given = Setup(Rules("built-in")), setup_of(manifest({}).encode())
    assert given == plain._replace(rules=plain.rules._replace(version=given.rules.version))
