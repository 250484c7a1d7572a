"""Random generators that always fall on one side."""

from __future__ import annotations

import random


class Highest(random.Random):
    """Always draws the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    """Always draws the lower end."""

    def uniform(self, a: float, b: float) -> float:
        return a
