"""Repeatable random draws: the same seed gives the same draws on every Python from 3.11 on, on every machine.

Of the standard generator only `Random.random()` is promised to stay the same between Python versions
(the `random` module's notes on reproducibility), so all draws are made of it. They are whole numbers
throughout: `sum()` of floats changed in Python 3.12, and `pow`, `log` and `cos` differ between C libraries.
"""

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """One sequence of draws; each part of the sample has its own, so that a change to one leaves the rest."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1, each as likely as the other; `limit` is at most 2**53."""
        return int(self._random() * limit)

    def chance(self, permille: int) -> bool:
        """True `permille` times out of 1,000."""
        return self.below(1000) < permille

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def weighted(self, cumulative: Sequence[int]) -> int:
        """An index, as likely as its weight; `cumulative[i]` is the sum of the weights up to and with `i`."""
        return bisect_right(cumulative, self.below(cumulative[-1]))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in any order (Fisher-Yates)."""
        shuffled = list(items)
        for last in range(len(shuffled) - 1, 0, -1):
            other = self.below(last + 1)
            shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
        return shuffled

    def deal(self, items: Sequence[T]) -> Iterator[T]:
        """The items in any order, without end: each comes once before any comes again."""
        while True:
            yield from self.shuffled(items)
