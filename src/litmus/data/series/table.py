"""The user's own table: a row is an example, its columns are the steps of a series with one channel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litmus.data.loaders import hold_out
from litmus.data.series.numbers import read_numbers, read_words
from litmus.data.series.series_data import SeriesData


def table_data(
    path: str,
    test_path: str | None,
    target: str,
    test: float,
    columns: Sequence[str],
    classes: Sequence[str] | None,
    split_seed: int,
    **series: Any,
) -> SeriesData:
    """A table as series.

    Args:
        test_path: A table of the same columns to test on; None holds out a share of the rows of `path`.
        test: That share.
        columns: What the target is predicted from.
        classes: The values of the target, where it is a class and not a number.
        series: The other arguments of `SeriesData`.

    Raises:
        ValueError: If the share is none.
    """
    if test_path is None and not 0 < test < 1:
        raise ValueError(f"data.test={test} is not a share between 0 and 1, such as 0.2")
    source = Table(path, test_path, target, test, columns, classes, split_seed)
    return SeriesData(source=source, columns=columns, classes=classes, split_seed=split_seed, **series)


class Table:
    """Numbers in named columns, and a target."""

    def __init__(
        self,
        path: str,
        test_path: str | None,
        target: str,
        test: float,
        columns: Sequence[str],
        classes: Sequence[str] | None,
        split_seed: int,
    ) -> None:
        self.path, self.test_path = Path(path), None if test_path is None else Path(test_path)
        self.target, self.test, self.columns, self.split_seed = target, test, list(columns), split_seed
        self.classes = None if classes is None else list(classes)

    def prepare(self, root: Path) -> None:
        """Nothing to do: the table is the user's own."""

    def load(self, root: Path, split: str) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Rows [count, columns, 1] and target of `train` or `test`: numbers [count, 1], or labels [count].

        Raises:
            ValueError: For what `read_numbers` refuses, or a class that is not declared.
        """
        path = self.test_path if split == "test" and self.test_path is not None else self.path
        rows, targets = read_numbers(path, self.columns, gaps=False)[..., None], self._targets(path)
        if self.test_path is not None:
            return rows, targets
        rest, held_out = hold_out(len(rows), self.test, self.split_seed)
        chosen = np.sort({"train": rest, "test": held_out}[split].numpy())
        return rows[chosen], targets[chosen]

    def _targets(self, path: Path) -> NDArray[Any]:
        if self.classes is None:
            return read_numbers(path, [self.target], gaps=False)
        index = {name: label for label, name in enumerate(self.classes)}
        words = read_words(path, self.target)
        unknown = [word for word in words if word not in index]
        if unknown:
            raise ValueError(
                f"{path}: {self.target} is {unknown[0]}, which is not one of {', '.join(index)}: add it to data.classes"
            )
        return np.array([index[word] for word in words], np.int64)
