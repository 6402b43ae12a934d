"""Which share of a stream of rows comes from which set: the same at every place, without drift."""

from collections.abc import Sequence

import numpy as np

PERIOD = 10_000  # rows after which the pattern repeats, or nearly so: weights count to four digits


class Mixture:
    """Rows of several sets in turn, by weight: of any so many rows from the start, each set has its share to a row or
    two.

    Args:
        weights: Of each set; what they sum up to does not matter.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        shares = np.array(weights, np.float64) / sum(weights)
        quotas = np.maximum(1, np.round(shares * PERIOD)).astype(np.int64)
        # Each set's rows at equal distances; together they make the pattern.
        sets = np.repeat(np.arange(len(quotas)), quotas)
        times = np.concatenate([(np.arange(quota) + 0.5) / quota for quota in quotas])
        turns = sets[np.lexsort((sets, times))]
        self.quotas = quotas
        self.given_in_period = np.zeros((len(turns) + 1, len(quotas)), np.int64)
        self.given_in_period[1:] = (turns[:, None] == np.arange(len(quotas))).cumsum(0)

    def given(self, rows: int) -> list[int]:
        """How many of the first so many rows are of each set."""
        periods, place = divmod(rows, len(self.given_in_period) - 1)
        return [periods * int(q) + int(g) for q, g in zip(self.quotas, self.given_in_period[place], strict=True)]
