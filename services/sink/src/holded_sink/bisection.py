"""Finding the rows that MySQL does not take among many that it does."""

from collections.abc import Callable, Sequence

from holded_sink.errors import SystemicError


def find_refused[T](items: Sequence[T], try_out: Callable[[Sequence[T]], str | None]) -> list[tuple[T, str]]:
    """Return the items that are refused alone, each with MySQL's words.

    `try_out` writes items, undoes it, and returns None or why they were refused. k refused items among n cost about
    k * 2 * log2(n) tries.

    Raises
    ------
    SystemicError
        If items are refused together although each half of them is taken: then no single row is to blame.
    """
    said = try_out(items)
    if said is None:
        return []
    if len(items) == 1:
        return [(items[0], said)]
    middle = len(items) // 2
    found = [*find_refused(items[:middle], try_out), *find_refused(items[middle:], try_out)]
    if not found:
        raise SystemicError(f"{len(items)} rows are refused together and taken apart: {said}")
    return found
