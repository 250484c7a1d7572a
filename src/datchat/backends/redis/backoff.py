"""How long to wait before the next try."""

from __future__ import annotations

import random


def pause_s(failures: int, rng: random.Random, *, base_s: float = 0.05, cap_s: float = 1.0) -> float:
    """
    A pause after so many failures in a row, doubling up to the cap; half of it is chance, so that nodes that lost the
    same server don't come back as a herd, and none comes back at once.
    """
    longest = min(cap_s, base_s * 2.0 ** min(failures, 20))
    return longest / 2 + rng.uniform(0, longest / 2)
