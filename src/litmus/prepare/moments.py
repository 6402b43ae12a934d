"""Mean and standard deviation by parts that are put together in their order (Chan, Golub, LeVeque 1983), so that every
engine finds the same ones to the last bit."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Moments(NamedTuple):
    """How many numbers, their mean, and the sum of their squared distances from it."""

    many: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def std(self) -> float:
        return math.sqrt(self.squares / self.many) if self.many else 0.0


def moments_of(path: Path, names: Sequence[str]) -> dict[str, Moments]:
    """Of columns of a Parquet file; nulls do not count."""
    if not names:
        return {}
    import pyarrow.parquet as pq

    found = {name: Moments() for name in names}
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, list(names))
            found = {name: all_of([own, _moments(table[name])]) for name, own in found.items()}
    return found


def _moments(column: Any) -> Moments:
    values = column.drop_null().to_numpy().astype(float)
    if not len(values):
        return Moments()
    mean = float(values.mean())
    return Moments(len(values), mean, float(((values - mean) ** 2).sum()))


def all_of(parts: Iterable[Moments]) -> Moments:
    """Of the numbers of all parts."""
    many, mean, squares = Moments()
    for part in parts:
        if part.many:
            total, away = many + part.many, part.mean - mean
            mean += away * part.many / total
            squares += part.squares + away * away * many * part.many / total
            many = total
    return Moments(many, mean, squares)
