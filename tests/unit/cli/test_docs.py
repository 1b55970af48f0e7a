"""The documentation names what the code has: links, fields, reasons."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from holded_cli.samples import Kind, generate
from holded_cli.send.record import Acknowledged
from holded_cli.send.tally import Tally
from holded_contracts.identity import DEFAULT_ID_HEADERS
from holded_contracts.reasons import DeadLetterReason
from holded_operator.exceptions import OperatorError
from holded_operator.remedies import REMEDIES
from holded_worker.domain.money import AMOUNT_FIELDS, CURRENCY_FIELDS
from holded_worker.domain.process import Rules, process_event
from holded_worker.domain.records import RawEvent
from holded_worker.domain.times import OCCURRED_AT_FIELDS

RECEIVED_AT = 1_795_000_000_000_000
"""2026-11-18, microseconds."""
ROOT = Path(__file__).parents[3]
PAGES = sorted(chain(ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), [ROOT / "tests" / "data" / "README.md"]))
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def reasons_of(error: type[OperatorError]) -> Iterator[str]:
    for child in error.__subclasses__():
        if "reason" in child.__dict__:
            yield child.reason
        yield from reasons_of(child)


def test_there_is_documentation():
    assert len(PAGES) > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path):
    targets = [target.partition("#")[0] for target in LINK.findall(page.read_text("utf-8"))]
    missing = [target for target in targets if target and "://" not in target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_is_named_exists(page: Path):
    paths = re.findall(
        r"`((?:tests|docs|sql|charts|crds|operator|services|schemas|cli)/[\w./-]*)`", page.read_text("utf-8")
    )
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", read("Makefile"), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`make (\w+(?:-\w+)*)", page.read_text("utf-8"))}
    assert named <= targets
    assert named


def test_every_reason_of_a_dead_letter_is_explained():
    rows = re.findall(r"^\| `(\w+)` \|", read("docs/guides/dead-letters.md"), re.MULTILINE)
    assert sorted(rows) == sorted(reason.value for reason in DeadLetterReason)


def test_every_reason_of_a_condition_is_explained():
    explained = {reason for row in REMEDIES for reason in row.reasons}
    assert set(reasons_of(OperatorError)) <= explained
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "operator" / "src").rglob("*.py"))
    results = re.findall(r"PartResult\([^()]*?reason=\"(\w+)\"|PartResult\(\w+, None, \"(\w+)\"", sources)
    assert len(results) > 5
    assert {reason for pair in results for reason in pair if reason} <= explained


def test_the_guide_has_the_remedies_row_by_row():
    table = (
        read("docs/guides/operating.md").partition("| Reason | Means | Do |\n|---|---|---|\n")[2].partition("\n\n")[0]
    )
    rows = [f"| {', '.join(f'`{name}`' for name in row.reasons)} | {row.means} | {row.do} |" for row in REMEDIES]
    assert table.splitlines() == rows


@pytest.mark.parametrize("fields", [DEFAULT_ID_HEADERS, AMOUNT_FIELDS, CURRENCY_FIELDS, OCCURRED_AT_FIELDS])
def test_the_fields_that_are_looked_up_are_listed_in_their_order(fields: tuple[str, ...]):
    assert ", ".join(f"`{name}`" for name in fields) in read("docs/guides/event-format.md")


def test_every_check_of_the_quality_score_is_listed():
    sample = next(sample.event for sample in generate() if sample.kind is Kind.GOLD)
    raw = RawEvent("raw", 0, 0, 1, b"0" * 16, RECEIVED_AT, sample["headers"]["type"], None, json.dumps(sample).encode())
    silver = process_event(raw, Rules("test"), RECEIVED_AT).silver
    assert silver is not None
    page = read("docs/guides/event-format.md")
    for dimension, checks in json.loads(silver["metadata"])["quality"].items():
        (row,) = re.findall(rf"^\| {dimension} \| (.*) \|$", page, re.MULTILINE)
        assert [name for name in re.findall(r"`(\w+)`", row) if name in checks] == list(checks)


def test_every_decision_is_in_the_list():
    pages = {page.name for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}
    assert pages == set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", read("docs/decisions/README.md")))


def test_every_number_of_a_summary_of_sending_is_explained():
    page = read("docs/guides/sending-events.md")
    table = page.partition("## The summary")[2]
    explained = {
        name for cell in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    assert explained == set(Tally().as_json()) | {"planned", "seed"}


def test_the_example_of_a_recorded_line_has_its_fields():
    (line,) = re.findall(r"^(\{\"event_id\".*\})$", read("docs/guides/sending-events.md"), re.MULTILINE)
    assert tuple(json.loads(line)) == Acknowledged.__struct_fields__
