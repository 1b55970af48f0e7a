"""What a benchmark leaves behind: a table at the terminal, the same table and a plot in docs/bench."""

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

mpl.rcParams["svg.hashsalt"] = "holded"  # equal figures give equal files
DIRECTORY = Path(__file__).parents[2] / "docs" / "bench"


@dataclass(frozen=True)
class Section:
    """One table: what it holds, the names of its columns, its cells as text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())


def publish(name: str, title: str, command: str, sections: Sequence[Section], plots: dict[str, Figure]) -> None:
    """Print the tables, and write docs/bench/NAME.md with one NAME-PLOT.svg for each plot."""
    console = Console(width=int(os.environ.get("COLUMNS", "140")))
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    options = f" with options `{' '.join(sys.argv[1:])}`" if sys.argv[1:] else ""
    lines = [f"# {title}", "", f"Written by `{command}`{options} on {machine()}.", ""]
    for section in sections:
        console.print(_table(section))
        lines += [f"## {section.title}", "", *_markdown(section), ""]
        for note in section.notes:
            console.print(f"  {note}")
            lines += [f"- {note}"]
        lines += [""] if section.notes else []
    for plot, figure in plots.items():
        figure.savefig(DIRECTORY / f"{name}-{plot}.svg", bbox_inches="tight", metadata={"Date": None})
        lines += [f"![{plot}]({name}-{plot}.svg)", ""]
    page = DIRECTORY / f"{name}.md"
    page.write_text("\n".join(lines).rstrip() + "\n")
    console.print(f"written: {page.relative_to(DIRECTORY.parents[1])} and {len(plots)} plot(s)")


def machine() -> str:
    """Say what the figures were measured on, without naming the machine."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left")
    for position, column in enumerate(section.columns):
        table.add_column(column, justify="right" if position else "left")
    for row in section.rows:
        table.add_row(*row)
    return table


def _markdown(section: Section) -> list[str]:
    head = "| " + " | ".join(section.columns) + " |"
    rule = "|" + "|".join("---" if position == 0 else "---:" for position in range(len(section.columns))) + "|"
    return [head, rule, *("| " + " | ".join(row) + " |" for row in section.rows)]
