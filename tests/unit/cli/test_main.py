"""Exit codes and messages of the command line."""

import json

import pytest
from typer.testing import CliRunner

from holded_cli import main
from holded_cli.gold import GoldReader
from holded_cli.main import app
from holded_cli.mysql import GoldUnavailableError, Session
from tests.support.containers import free_port


@pytest.fixture
def closed_port():
    """A port on which nobody listens."""
    return free_port()


@pytest.fixture(autouse=True)
def without_environment(monkeypatch):
    for name in ("HOST", "PORT", "DATABASE", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"HOLDED_MYSQL__{name}", raising=False)


def run(*arguments, **options):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def test_samples_prints_an_array_of_the_mix_asked_for():
    result = run("samples", "--gold", 5, "--duplicates", 1, "--rejected", 2, "--dead-letters", 0)
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == 8


def test_sending_without_a_collector_fails_with_its_address(tmp_path, closed_port):
    file = tmp_path / "events.json"
    file.write_text('[{"data": {}}, {"data": {}}]')
    result = run("send", file, "--url", f"http://127.0.0.1:{closed_port}", "--patience", 0, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["accepted"] == 0
    assert f"http://127.0.0.1:{closed_port}" in result.stderr
    assert "2 of 2 events have no answer" in result.stderr


@pytest.mark.parametrize("content", ["{}", "not json"])
def test_sending_what_is_no_array_fails_before_any_request(content):
    result = run("send", "-", input=content)
    assert result.exit_code == 1
    assert "expected a JSON array" in result.stderr


def test_sending_a_missing_file_fails_with_its_name():
    result = run("send", "no-such-file.json")
    assert result.exit_code == 1
    assert "no-such-file.json" in result.stderr


def test_a_report_without_settings_names_them():
    result = run("report", "--host", "127.0.0.1")
    assert result.exit_code == 1
    assert "mysql.username" in result.stderr
    assert "mysql.password" in result.stderr


def test_flags_win_over_the_environment(monkeypatch, closed_port):
    monkeypatch.setenv("HOLDED_MYSQL__HOST", "elsewhere.invalid")
    monkeypatch.setenv("HOLDED_MYSQL__USERNAME", "holded")
    monkeypatch.setenv("HOLDED_MYSQL__PASSWORD", "secret-word")
    result = run("report", "--host", "127.0.0.1", "--port", closed_port)
    assert result.exit_code == 1
    assert f"MySQL at 127.0.0.1:{closed_port}" in result.stderr
    assert "secret-word" not in result.output


def test_waiting_for_a_database_that_stays_away_ends_with_its_error(closed_port):
    flags = ("--host", "127.0.0.1", "--port", closed_port, "--username", "u", "--password", "p")
    result = run("report", *flags, "--wait-for", 3, "--timeout", 0)
    assert result.exit_code == 1
    assert f"MySQL at 127.0.0.1:{closed_port}" in result.stderr


def test_a_query_that_fails_is_a_message_and_not_a_traceback(monkeypatch):
    class NoTables(GoldReader):
        def _rows(self, query, *arguments):
            raise GoldUnavailableError("Table 'holded.events' doesn't exist (the migrations have not run here yet)")

    class Opened:
        def __enter__(self):
            return NoTables(Session(None))

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(main, "open_gold", lambda _: Opened())
    result = run("report", "--host", "h", "--username", "u", "--password", "p")
    assert result.exit_code == 1
    assert "the migrations have not run here yet" in result.stderr
