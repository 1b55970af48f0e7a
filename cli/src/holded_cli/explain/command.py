"""The command `holded explain`: options in, explanation out."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from holded_cli.terminal import failure, show


class Output(StrEnum):
    """How an explanation is printed."""

    TABLE = "table"
    JSON = "json"


def explain(
    file: Annotated[
        Path, typer.Argument(help="Events: a JSON array, JSON lines, or one; - for standard input.", allow_dash=True)
    ],
    *,
    cr: Annotated[
        Path | None,
        typer.Option(help="Manifest of a HoldedPipeline: its rules, weights and limits instead of the built-in ones."),
    ] = None,
    received_at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ"],
            metavar="TIME",
            help="When the collector gets the events, UTC, e.g. 2026-11-20T10:00:00Z; now when left out.",
        ),
    ] = None,
    output: Annotated[Output, typer.Option(help="table for people, json for programs.")] = Output.TABLE,
) -> None:
    """Show what collector and worker make of the events in a file, step by step, without Kafka.

    Exits with 0 whatever becomes of the events; with 1 when a file cannot be read or the operator would refuse the
    resource.
    """
    with _quiet_libraries():
        # Beam takes seconds to import, and no other command needs it.
        from holded_cli.explain.document import as_json  # noqa: PLC0415
        from holded_cli.explain.run import explain as run  # noqa: PLC0415
        from holded_cli.explain.source import InputError, read_file, setup_of, split_events  # noqa: PLC0415
        from holded_cli.explain.view import render  # noqa: PLC0415

        now = time.time_ns() // 1000
        moment = now if received_at is None else int(received_at.replace(tzinfo=UTC).timestamp()) * 1_000_000
        at_fault = file if cr is None else cr
        try:
            setup = setup_of(None if cr is None else read_file(cr))
            at_fault = file
            explained = run(split_events(read_file(file)), setup, moment)
        except InputError as error:
            raise failure(f"{at_fault}: {error}") from error
    document = as_json(explained, setup.rules, moment)
    show(document, render(document), json_output=output is Output.JSON)


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep Beam's remarks on optional packages from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
