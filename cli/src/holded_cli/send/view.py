"""What people see of a run: a line of progress and a table at its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from holded_cli.send.tally import Tally


@contextmanager
def progress(total: int | None) -> Iterator[Callable[[Tally], None]]:
    """Show a line of progress on standard error; yields what brings it up to date."""
    columns = (
        BarColumn(bar_width=20),
        TextColumn("{task.completed:,.0f}"),
        TextColumn("{task.fields[tally].rate:,.0f}/s"),
        TextColumn("{task.fields[tally].in_flight:,} in flight"),
        TextColumn("[green]{task.fields[tally].accepted:,} accepted"),
        TextColumn("[red]{task.fields[tally].rejected:,} rejected"),
        TextColumn("[yellow]{task.fields[tally].repeated:,} retries"),
        TimeElapsedColumn(table_column=Column(min_width=len("0:00:00"))),  # the bar gives way on a narrow terminal
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, tally=Tally())
        yield lambda tally: bar.update(task, completed=tally.events, tally=tally)


def summary(tally: Tally, seed: int | None) -> Table:
    """Return the final table of a run."""
    numbers = tally.as_json()
    table = Table("", title="Sent", title_justify="left", show_header=False)
    table.add_column(justify="right")
    table.add_row("accepted", f"{tally.accepted:,}")
    table.add_row("rejected", f"{tally.rejected:,}")
    for name, count in sorted(tally.rejected_by_field.items()):
        table.add_row(f"  {name}", f"{count:,}")
    if tally.in_flight:
        table.add_row("without an answer", f"{tally.in_flight:,}")
    table.add_row("requests answered", f"{tally.batches:,}")
    table.add_row("requests repeated", f"{tally.repeated:,}")
    for cause, count in sorted(tally.retries.items()):
        table.add_row(f"  after {cause}", f"{count:,}")
    for label, key in (("latency", "latency_ms"), ("time to ack", "time_to_ack_ms")):
        for name, value in numbers[key].items():
            table.add_row(f"{label} {name}", "" if value is None else f"{value:,.1f} ms")
    table.add_row("rate", f"{tally.rate:,.0f} events/s")
    if tally.late:
        table.add_row("requests behind schedule", f"{tally.late:,}, by up to {tally.max_lateness:,.1f} s")
    if seed is not None:
        table.add_row("seed", str(seed))
    return table
