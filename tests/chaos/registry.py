"""The scenarios by name: a function with the decorator is one."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.traffic import Load
from tests.chaos.world import World

type Fault = Callable[[World], None]


@dataclass(frozen=True)
class Scenario:
    """A fault under load."""

    name: str
    about: str
    fault: Fault
    """Begins the fault, holds it, ends it, and returns when it has ended: recovery is timed from there. What must be
    true during the fault is asserted in it."""
    load: Load = field(default_factory=Load)
    on_flink: bool = False
    """Whether the worker runs on Flink, and not embedded, when the load begins."""


SCENARIOS: dict[str, Scenario] = {}


def scenario(*, load: Load | None = None, on_flink: bool = False) -> Callable[[Fault], Fault]:
    """Register a function as a scenario under its name with dashes; its docstring's first line says what it does.

    With `on_flink` the name begins with `flink-`, so that one fault can be a scenario of both runners.
    """

    def register(fault: Fault) -> Fault:
        name = fault.__name__.replace("_", "-")
        about = (inspect.getdoc(fault) or "").partition("\n")[0].rstrip(".")
        if on_flink:
            name, about = f"flink-{name}", f"On Flink: {about}"
        SCENARIOS[name] = Scenario(name, about, fault, load or Load(), on_flink)
        return fault

    return register
