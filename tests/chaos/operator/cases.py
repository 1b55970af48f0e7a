"""Every case of the enumeration: which oracles it is about, what it does, and how to run it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.chaos.operator import checks, scenarios
from tests.chaos.operator.disturbed import (
    FAULTS,
    Undisturbed,
    at_request,
    disturbed,
    for_a_share,
    frozen_for,
    killed_at,
    old_lists_for,
    watching,
)
from tests.support.api_server import ApiServer

ALWAYS = ("O1", "O6", "O15")
"""Oracles that hold in every disturbed run."""


@dataclass(frozen=True)
class Case:
    """One run."""

    row: str
    """What it does; runs of one row stand together in the report."""
    oracles: tuple[str, ...]
    name: str
    run: Callable[[], list[str]]
    """Returns what is violated."""


def all_cases(api: ApiServer, *, seed: int, examples: int) -> Iterator[Case]:
    """Yield all cases."""
    undisturbed = Undisturbed(api)
    yield from checks.cases(api, Case)
    yield from kills(api, undisturbed)
    yield from watches(api, undisturbed)
    yield from checks.generated(api, Case, seed=seed, examples=examples)
    yield from errors(api, undisturbed, seed)


def kills(
    api: ApiServer,
    undisturbed: Undisturbed,
    which: tuple[scenarios.Scenario, ...] = scenarios.KILLED,
    step: int = 1,
) -> Iterator[Case]:
    """Yield one case for each write of each scenario, before and after it."""
    for scenario in which:
        writes = undisturbed.of(scenario)[2]
        for after in (False, True):
            row = f"{scenario.name}: operator killed {'after' if after else 'before'} its k-th of {writes} writes"
            for k in range(1, writes + 1, step):
                run = partial(disturbed, api, undisturbed, scenario, killed_at(k, after=after), killed=True)
                yield Case(row, ("O7", *ALWAYS), f"{row}, k={k}", run)


def errors(api: ApiServer, undisturbed: Undisturbed, seed: int) -> Iterator[Case]:
    """Yield cases in which the API server fails."""
    for name, fault in FAULTS.items():
        slow = name == "no answer"
        for scenario in scenarios.KILLED:
            row = f"{scenario.name}: the k-th request is answered by {name}"
            for k in (1, 8):
                run = partial(disturbed, api, undisturbed, scenario, at_request(k, fault))
                yield Case(row, ("O9", *ALWAYS), f"{row}, k={k}", run)
        for scenario in () if slow else scenarios.KILLED:
            row = f"{scenario.name}: for 8 s, 30 % of all requests are answered by {name}"
            run = partial(disturbed, api, undisturbed, scenario, for_a_share(0.3, fault, seconds=8, seed=seed))
            yield Case(row, ("O9", *ALWAYS), row, run)
        row = f"update: for 6 s, every request is answered by {name}"
        run = partial(disturbed, api, undisturbed, scenarios.UPDATE, for_a_share(1.0, fault, seconds=6, seed=seed))
        yield Case(row, ("O9", *ALWAYS), row, run)


def watches(api: ApiServer, undisturbed: Undisturbed) -> Iterator[Case]:
    """Yield cases in which the operator's view is old."""
    views = {
        "every watch event is lost": watching(drop=1.0),
        "half of the watch events are lost": watching(drop=0.5),
        "watch events are 2 s late": watching(delay=2.0),
        "watches freeze for 6 s": frozen_for(6),
        "watches are silent": watching(silent=True),
        "watches end with 410 Gone after an event": watching(gone_after=1),
        "lists are old for 6 s": old_lists_for(6),
    }
    for name, arm in views.items():
        for scenario in scenarios.ALL:
            row = f"{scenario.name}: {name}"
            yield Case(row, ("O8", *ALWAYS), row, partial(disturbed, api, undisturbed, scenario, arm))
