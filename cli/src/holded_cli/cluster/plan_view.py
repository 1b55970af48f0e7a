"""A plan as text for people. Pure."""

from collections.abc import Iterator

from rich.console import Group
from rich.text import Text

from holded_cli.cluster.plan import Action, Plan, Step

_MARKS = {Action.CREATE: "+", Action.CHANGE: "~", Action.DELETE: "-"}
_COLOURS = {Action.CREATE: "green", Action.CHANGE: "yellow", Action.DELETE: "red"}


def render(plan: Plan) -> Group:
    """Return refusals first, then every step with its differences, what rolls, and what was not asked."""
    return Group(*_lines(plan))


def _lines(plan: Plan) -> Iterator[Text]:
    if plan.problems:
        yield Text(f"{plan.name} would be refused, or could not become Ready", style="bold red")
        yield from (Text(f"  {problem}") for problem in plan.problems)
    for step in plan.steps:
        if step.action is not Action.UNCHANGED:
            yield from _step(step)
    for step in plan.objects:
        if step.replaced_pods:
            yield Text(f"{step.what}: its pods are replaced ({step.replaced_pods})", style="bold")
    if plan.resource is not None and not plan.problems:
        yield Text(_summary(plan), style="bold")
    yield from (Text(note, style="dim") for note in plan.notes)


def _step(step: Step) -> Iterator[Text]:
    detail = f" ({step.detail})" if step.detail else ""
    yield Text(f"{_MARKS[step.action]} {step.action} {step.what}{detail}", style=_COLOURS[step.action])
    yield from (Text(f"    {item}") for item in step.differences)


def _summary(plan: Plan) -> str:
    if not plan.changes:
        return f"{plan.name}: nothing changes"
    counts = {action: sum(step.action is action for step in plan.steps) for action in Action}
    told = ", ".join(f"{counts[action]} to {action}" for action in _MARKS if counts[action])
    rolls = any(step.replaced_pods for step in plan.objects)
    return f"{plan.name}: {told}, {counts[Action.UNCHANGED]} unchanged" + ("" if rolls else "; no pod is replaced")
