"""Which event of a generated run is of which kind: exact shares in an order that the seed decides. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from random import Random

from holded_cli.samples import Kind

BLOCK = 1000
"""Events that are shuffled together: the shares hold at the end of each block, and within it their order is random."""

_HALF = Fraction(1, 2)


class MixtureError(ValueError):
    """The shares make no run; the sentence says why."""


@dataclass(frozen=True)
class Shares:
    """Parts of a run that are no plain events; the rest is gold.

    Raises
    ------
    MixtureError
        If one is no part from 0 to 1, together they are more than the whole, or there is nothing to duplicate.
    """

    duplicates: Fraction = Fraction(0)
    rejected: Fraction = Fraction(0)
    dead_letters: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if min(self.duplicates, self.rejected, self.dead_letters) < 0 or self.faults > 1:
            raise MixtureError("duplicates, invalid and poison are shares from 0 to 1, together at most 1")
        if self.duplicates and self.faults == 1:
            raise MixtureError("duplicates need originals: the shares leave none")

    @classmethod
    def of(cls, duplicates: float = 0, rejected: float = 0, dead_letters: float = 0) -> "Shares":
        """Return the shares as their decimals are written: 0.1 is a tenth, not the double next to it."""
        return cls(*(Fraction(str(share)) for share in (duplicates, rejected, dead_letters)))

    @property
    def faults(self) -> Fraction:
        """Share of events that are not gold."""
        return self.duplicates + self.rejected + self.dead_letters

    def counts(self, total: int) -> dict[Kind, int]:
        """Return how many of the first `total` events are of each kind.

        The sum is `total`; where every share of `total` is a whole number it is met exactly, else by less than two
        events. No count ever falls as `total` grows.
        """
        faults = _part(total, self.faults, Fraction(1))
        duplicates = _part(faults, self.duplicates, self.faults)
        invalid = faults - duplicates
        rejected = _part(invalid, self.rejected, self.rejected + self.dead_letters)
        return {
            Kind.GOLD: total - faults,
            Kind.DUPLICATE: duplicates,
            Kind.REJECTED: rejected,
            Kind.DEAD_LETTER: invalid - rejected,
        }

    def kinds(self, seed: int, total: int | None) -> Iterator[Kind]:
        """Iterate over the kind of each event, without end when there is no total; a duplicate never comes first.

        Raises
        ------
        MixtureError
            If the first block has duplicates and nothing to duplicate.
        """
        head = BLOCK if total is None else min(total, BLOCK)
        counts = self.counts(head)
        if counts[Kind.DUPLICATE] and not counts[Kind.GOLD]:
            raise MixtureError(f"the first {head} events would be copies of nothing: send more, or fewer duplicates")
        return self._kinds(seed, total)

    def _kinds(self, seed: int, total: int | None) -> Iterator[Kind]:
        for first in count(0, BLOCK):
            last = first + BLOCK if total is None else min(total, first + BLOCK)
            if last <= first:
                return
            yield from self._block(seed, first, last)

    def _block(self, seed: int, first: int, last: int) -> list[Kind]:
        before, after = self.counts(first), self.counts(last)
        order = [kind for kind in Kind for _ in range(after[kind] - before[kind])]
        Random(f"{seed}:kinds:{first}").shuffle(order)  # noqa: S311 -- reproducible events, nothing secret
        if first == 0 and after[Kind.DUPLICATE]:
            place = order.index(Kind.GOLD)
            order[0], order[place] = order[place], order[0]
        return order


def _part(whole: int, share: Fraction, of: Fraction) -> int:
    return math.floor(whole * share / of + _HALF) if share else 0
