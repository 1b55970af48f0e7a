"""Single events may fail; when many do, the stage stops before anything of them is committed."""

import pytest

from holded_worker.fault_budget import FEW, FaultBudget
from holded_worker.io.errors import FatalError


def test_single_events_may_fail_also_when_nothing_else_comes():
    budget = FaultBudget()
    for _ in range(FEW):
        budget.check(1, 1)
        budget.spend(1, 1)
    with pytest.raises(FatalError, match="1 of 1 records failed"):
        budget.check(1, 1)


def test_a_batch_that_fails_as_a_whole_is_stopped_at_once():
    with pytest.raises(FatalError, match="5000 of 5000 records failed"):
        FaultBudget().check(5000, 5000)


def test_what_goes_well_fills_the_budget_again():
    budget = FaultBudget()
    for _ in range(100):
        budget.check(1000, 10)
        budget.spend(1000, 10)
    budget.spend(FEW, FEW)
    with pytest.raises(FatalError):
        budget.check(1, 1)
    budget.spend(1000, 0)
    budget.check(1, 1)


def test_a_batch_that_was_taken_back_costs_nothing():
    budget = FaultBudget()
    for _ in range(100):
        budget.check(1, 1)
