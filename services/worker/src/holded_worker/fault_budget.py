"""When unforeseen faults of single events are no longer those of single events.

A bug that one event in a million meets must not stop the stage for ever, so that event becomes a dead letter. A bug
that most events meet must not fill the dead letters: then the stage stops, keeps its offsets, and waits to be mended.
"""

from holded_worker.io.errors import FatalError

FEW = 10
"""Faults in a row that still count as those of single events."""
SHARE = 0.01
"""Part of the records that may fail for long."""


class FaultBudget:
    """A bucket of FEW faults that fills up again with SHARE of the records that went well."""

    def __init__(self) -> None:
        self._left = float(FEW)

    def check(self, records: int, faults: int) -> None:
        """Let a batch pass before it is committed.

        Raises
        ------
        FatalError
            If more of its records failed than the budget allows.
        """
        if faults > self._after(records, 0):
            raise FatalError(
                f"{faults} of {records} records failed in a way that nobody foresaw, see the log; "
                "nothing of them was committed"
            )

    def spend(self, records: int, faults: int) -> None:
        """Count a batch that was committed."""
        self._left = min(float(FEW), self._after(records, faults))

    def _after(self, records: int, faults: int) -> float:
        return self._left + records * SHARE - faults
