"""A scenario with a fault against the same scenario without: the differential oracles (O1, O6, O7, O8, O9, O15)."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.chaos.operator.scenarios import Scenario
from tests.support.api_server import ApiServer
from tests.support.fault_proxy import Answer, Call, Fault, Hang, Reset
from tests.support.trial import Trial

type Arm = Callable[[Trial], None]
"""Prepares a fault; called when the scenario's preparation is done."""

FAULTS: dict[str, Fault] = {
    "409": Answer(409),
    "410": Answer(410),
    "422": Answer(422),
    "429": Answer(429, retry_after=2),
    "500": Answer(500),
    "503": Answer(503),
    "reset before the server": Reset(),
    "reset after the server": Reset(after=True),
    "no answer": Hang(),
}
REFUSALS = {409, 422}
"""Answers to writes alone."""
HOT = 100
"""Requests of one operator with one pipeline in one second that are a hot loop; a pass that changes all makes about 45."""
SAME_WITHIN_SECONDS = 45.0


class Undisturbed:
    """End states and numbers of writes without a fault, each found once."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._found: dict[str, tuple[dict[str, Any], Counter[str], int]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, scenario: Scenario) -> tuple[dict[str, Any], Counter[str], int]:
        """Return the end state, the objects created and deleted, and the number of writes."""
        with self._lock:
            lock = self._locks.setdefault(scenario.name, threading.Lock())
        with lock:
            if scenario.name not in self._found:
                self._found[scenario.name] = self._run(scenario)
            return self._found[scenario.name]

    def _run(self, scenario: Scenario) -> tuple[dict[str, Any], Counter[str], int]:
        with Trial(self._api, scenario.name) as trial:
            scenario.prepare(trial)
            trial.proxy.forget()
            before = trial.writes.tried
            scenario.act(trial)
            scenario.end(trial)
            count = trial.writes.tried - before
            return trial.rest(), trial.proxy.record.summary(), count


def disturbed(
    api: ApiServer,
    undisturbed: Undisturbed,
    scenario: Scenario,
    arm: Arm,
    *,
    timeout: float = 240.0,
    killed: bool = False,
    **config: Any,
) -> list[str]:
    """Run a scenario with a fault; return what is otherwise than without."""
    expected, summary, _ = undisturbed.of(scenario)
    with Trial(api, scenario.name, **config) as trial:
        scenario.prepare(trial)
        trial.proxy.forget()
        starts = trial.operator.starts
        arm(trial)
        try:
            scenario.act(trial)
            deadline = time.monotonic() + timeout
            scenario.end(trial, timeout=timeout)
            left = max(SAME_WITHIN_SECONDS, deadline - time.monotonic())
            found = [f"end state {line}" for line in trial.differences(expected, timeout=left)]
        except AssertionError as error:
            found = [f"O1 {error}"[:1500]]
        made = trial.proxy.record.summary()
        if made != summary:
            found.append(f"O6 {dict(made - summary)} too much, {dict(summary - made)} too little")
        if trial.proxy.record.busiest_second() > HOT:
            found.append(f"O9 hot loop: {trial.proxy.record.busiest_second()} requests in a second")
        found += [f"O9 impatient: {line}" for line in trial.proxy.record.impatient()]
        if not killed and trial.operator.starts != max(1, starts):
            found.append("O14 the operator ended by itself")
        return found + [f"O15 {line}" for line in trial.hygiene()]


# -- faults -----------------------------------------------------------------------------------------------------------


def killed_at(k: int, *, after: bool) -> Arm:
    """Kill the operator at its k-th write."""
    return lambda trial: trial.writes.arm(k, after_effect=after)


def may_answer(call: Call, fault: Fault) -> bool:
    """Return whether an API server may answer so: it refuses what is written, never what is read."""
    return call.method != "GET" or not (isinstance(fault, Answer) and fault.status in REFUSALS)


def at_request(k: int, fault: Fault) -> Arm:
    """Let the k-th request from now on fail, of those that can fail so."""

    def arm(trial: Trial) -> None:
        seen = 0

        def plan(call: Call) -> Fault | None:
            nonlocal seen
            if not may_answer(call, fault):
                return None
            seen += 1
            return fault if seen == k else None

        trial.proxy.plan = plan

    return arm


def for_a_share(share: float, fault: Fault, *, seconds: float, seed: int) -> Arm:
    """Let a share of all requests that can fail so fail for some time."""

    def arm(trial: Trial) -> None:
        chance, end = random.Random(seed), time.monotonic() + seconds

        def plan(call: Call) -> Fault | None:
            if time.monotonic() > end or not may_answer(call, fault):
                return None
            return fault if chance.random() < share else None

        trial.proxy.plan = plan

    return arm


def watching(**faults: Any) -> Arm:
    """Disturb the watch streams until the end of the trial."""

    def arm(trial: Trial) -> None:
        for name, value in faults.items():
            setattr(trial.proxy.watching, name, value)

    return arm


def frozen_for(seconds: float) -> Arm:
    """Freeze all watch streams for some time, then deliver what they held."""

    def arm(trial: Trial) -> None:
        trial.proxy.watching.frozen = True
        threading.Timer(seconds, lambda: setattr(trial.proxy.watching, "frozen", False)).start()

    return arm


def old_lists_for(seconds: float) -> Arm:
    """Answer lists for some time as they were before the scenario."""

    def arm(trial: Trial) -> None:
        trial.proxy.remember_lists()
        time.sleep(2 * 2.5)  # two resyncs, whose lists are kept
        trial.proxy.stale_lists = True
        threading.Timer(seconds, lambda: setattr(trial.proxy, "stale_lists", False)).start()

    return arm
