"""For how many days ahead `events` has partitions: the sink makes them, so the sink's condition tells when it cannot.

Nothing is lost without them, as p_future takes every later day; but a query over some days then reads all of that, a
retention cannot drop it, and splitting it later copies its rows. Hence a condition days before it comes to that.
"""

import logging
from dataclasses import replace
from datetime import date
from typing import Final

from holded_operator.exceptions import OperatorError
from holded_operator.gateways.interfaces import DatabaseAccess, DatabaseGateway
from holded_operator.status import PartResult

MIN_DAYS: Final = 3
"""Days ahead below which the condition turns; the sink keeps seven, so it has failed for days by then."""

_log = logging.getLogger("holded_operator.runway")


def with_runway(
    sink: PartResult, *, database: DatabaseGateway, access: DatabaseAccess | None, today: date
) -> PartResult:
    """Return the sink's condition; one that is True turns False when the runway is short.

    A database that cannot be read leaves it as it is: that is DatabaseReady's to tell. `today` is a day of UTC.
    """
    if not sink.ok or access is None:
        return sink
    try:
        end = database.partitions_end(access)
    except OperatorError as error:
        _log.info("the partitions could not be read: %s", error)
        return sink
    ahead = 0 if end is None else max(0, (end - today).days - 1)
    if ahead >= MIN_DAYS:
        return sink
    reach = "has no day partitions" if end is None else f"has no day partition from {end} on"
    message = (
        f"{sink.message}, but table events of database {access.database} {reach}; days ahead of {today}:"
        f" {ahead}, the sink keeps 7; its log says why it cannot make them"
    )
    return replace(sink, ok=False, reason="PartitionRunwayShort", message=message)
