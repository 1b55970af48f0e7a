"""`holded send` at the terminal: options that do not fit together, what is printed, and exit codes."""

import asyncio
import inspect
import json
import signal

import httpx
import pytest
from typer.testing import CliRunner

from holded_cli.main import app
from holded_cli.samples import Mix, generate, render
from holded_cli.send import command


def accept_all(request):
    events = json.loads(request.content)
    results = [{"index": i, "status": "accepted", "event_id": str(i), "errors": []} for i in range(len(events))]
    return httpx.Response(202, json={"accepted": len(events), "rejected": 0, "results": results})


@pytest.fixture
def collector(monkeypatch):
    """Put a collector in place that answers with this function, and return the bodies it gets."""
    bodies = []

    def answering(answer=accept_all):
        async def keep(request):
            bodies.append(request.content)
            response = answer(request)
            return await response if inspect.isawaitable(response) else response

        monkeypatch.setattr(command, "AiohttpTransport", lambda _: httpx.MockTransport(keep))
        return bodies

    return answering


def send(*arguments, **options):
    return CliRunner().invoke(app, ["send", *map(str, arguments)], **options)


def test_only_json_is_on_standard_output(collector):
    collector()
    result = send("--generate", 100, "--batch", 30, "--json")
    assert result.exit_code == 0
    numbers = json.loads(result.stdout)
    assert (numbers["accepted"], numbers["batches"], numbers["planned"]) == (100, 4, 100)
    assert numbers["kinds"] == {"gold": 100, "duplicate": 0, "rejected": 0, "dead_letter": 0}


def test_a_run_can_be_repeated_with_the_seed_it_prints(collector):
    bodies = collector()
    shares = ("--duplicates", 0.1, "--invalid", 0.1, "--poison", 0.1)
    first = json.loads(send("--generate", 60, *shares, "--json").stdout)
    send("--generate", 60, *shares, "--seed", first["seed"])
    assert bodies[:2] == bodies[2:]


def test_without_a_seed_every_run_is_new(collector):
    bodies = collector()
    send("--generate", 20)
    send("--generate", 20)
    assert bodies[0] != bodies[1]


def test_the_table_says_what_became_of_the_events(collector, tmp_path):
    results = [{"index": 0, "status": "rejected", "event_id": None, "errors": [{"field": "data", "message": "x"}]}]
    answer = httpx.Response(422, json={"accepted": 0, "rejected": 1, "results": results})
    collector(lambda _: answer)
    file = tmp_path / "events.json"
    file.write_text("[null]")
    result = send(file)
    assert result.exit_code == 0
    rows = dict(line.strip(" │").rsplit(maxsplit=1) for line in result.stdout.splitlines() if " 1 " in line + " ")
    for label in ("rejected", "data", "requests answered"):
        assert any(label in row for row in rows), result.stdout
    for label in ("latency p90", "time to ack max", "events/s"):
        assert label in result.stdout


def test_standard_input_is_a_file_too(collector):
    bodies = collector()
    result = send("-", "--json", input=render(generate(Mix(3, 0, 0, 0))))
    assert json.loads(result.stdout)["accepted"] == 3
    assert json.loads(result.stdout)["seed"] is None
    assert len(bodies) == 1


def test_rate_and_duration_together_offer_a_number_of_events(collector):
    collector()
    result = send("--duration", "200ms", "--rate", 500, "--batch", 10, "--concurrency", 2, "--json")
    numbers = json.loads(result.stdout)
    assert numbers["planned"] == 100
    assert numbers["events"] <= 100


def test_the_record_is_written(collector, tmp_path):
    collector()
    record = tmp_path / "acknowledged.jsonl"
    send("--generate", 7, "--batch", 2, "--record", record)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(line["batch"], line["index"]) for line in lines] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
        (3, 0),
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_prints_its_summary(collector, number):
    async def interrupt(request):
        signal.raise_signal(number)
        await asyncio.sleep(0.01)
        return accept_all(request)

    collector(interrupt)
    before = signal.getsignal(number)
    result = send("--generate", 100, "--batch", 10, "--json")
    assert result.exit_code == command.EXIT_INTERRUPTED == 130
    numbers = json.loads(result.stdout)
    assert numbers["interrupted"] is True
    assert 0 < numbers["accepted"] < 100
    assert "interrupted" in result.stderr
    assert signal.getsignal(number) == before


def test_falling_behind_is_said(collector, monkeypatch):
    monkeypatch.setattr("holded_cli.send.tally.LATE_SECONDS", 0.0)
    collector()
    result = send("--generate", 50, "--batch", 1, "--rate", 1_000_000, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["late_batches"] > 0
    assert "fell behind the rate" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to send"),
        (("events.json", "--generate", 5), "a file is sent as it is"),
        (("events.json", "--seed", 5), "a file is sent as it is"),
        (("events.json", "--poison", 0.5), "a file is sent as it is"),
        (("--generate", 5, "--types", "Nothing"), "no event type matches Nothing"),
        (("--generate", 5, "--invalid", 0.7, "--poison", 0.7), "together at most 1"),
        (("--generate", 1, "--duplicates", 0.9), "copies of nothing"),
        (("--duration", "soon"), "is no duration"),
        (("--generate", 5, "--patience", "1y"), "is no duration"),
        (("--generate", 5, "--rate", 0), "greater than or equal to 0.001"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_sent(collector, arguments, message):
    bodies = collector()
    result = send(*arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not bodies


def test_a_record_that_cannot_be_opened_fails_before_anything_is_sent(collector, tmp_path):
    bodies = collector()
    result = send("--generate", 5, "--record", tmp_path / "missing" / "record")
    assert result.exit_code == 1
    assert "missing" in result.stderr
    assert not bodies


def test_an_address_that_is_none_is_a_message():
    result = send("--generate", 1, "--url", "http://127.0.0.1:port")
    assert result.exit_code == 1
    assert result.stderr.startswith("holded: Invalid port")
