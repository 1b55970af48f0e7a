"""What the commands share of the terminal: results on standard output, everything else on standard error."""

import json
from typing import Any

import typer
from rich.console import Console
from rich.text import Text


def show(numbers: dict[str, Any], tables: Any, *, json_output: bool) -> None:
    """Print the result of a command for people, or for programs."""
    if json_output:
        typer.echo(json.dumps(numbers, ensure_ascii=False, indent=2))
    else:
        Console().print(tables)


def failure(message: str, code: int = 1) -> typer.Exit:
    """Print why a command fails and return what ends it with this code."""
    typer.echo(f"holded: {message}", err=True)
    return typer.Exit(code)


def plain(text: str) -> Text:
    """Return text of unknown origin for a terminal: no markup is read in it and no control character leaves it."""
    return Text("".join(character if character.isprintable() or character == "\n" else "·" for character in text))
