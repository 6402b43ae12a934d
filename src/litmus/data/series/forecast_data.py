"""One long series, cut by time: windows of some steps, and the steps that follow them, read from one array."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from litmus.data.fingerprint import fingerprint
from litmus.data.loaders import InMemory, check_batching
from litmus.data.series.gaps import Missing, close_gaps
from litmus.data.series.numbers import as_floats, read_numbers
from litmus.data.series.scale import Scale, Standardised, fitted
from litmus.limits import Seed, Workers

Batch = tuple[Tensor, Tensor]


@runtime_checkable
class Source(Protocol):
    """Where a long series comes from: ett.py, series_file.py."""

    def prepare(self, root: Path) -> None:
        """Downloads what is missing under `root`."""

    def load(self, root: Path) -> NDArray[np.float32]:
        """The whole series [rows, channels], NaN where a value is missing."""


class Windows(Dataset[Batch]):
    """Every window whose horizon lies in the rows from `start` to `stop`, by a tensor of indices.

    Gives what is seen [batch, length, channels] and what follows [batch, horizon, channels].
    """

    def __init__(self, series: Tensor, start: int, stop: int, length: int, horizon: int) -> None:
        self.series, self.first, self.count = series, start - length, max(0, stop - start - horizon + 1)
        self.seen, self.next = torch.arange(length), torch.arange(length, length + horizon)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, indices: Tensor) -> Batch:
        rows = self.first + indices[:, None]
        return self.series[rows + self.seen], self.series[rows + self.next]


class ForecastData(InMemory):
    """Windows over the training rows, then over those of validation, then over those of the test.

    The windows of validation and test reach `length` rows back over the border, as in the benchmark (Zhou et al. 2021).

    Args:
        root: Where the file stands or goes.
        columns: Names of the channels.
        channels: Held against them.
        length: Steps that are seen.
        horizon: Steps that are forecast.
        train: Rows of the training part, or its share of them; in the same way `validation` and `test`.
        missing: What to do about values that are not there; gaps are filled within a part only.
        batch_size: Windows a step over all devices.
        train_size: Train on the first so many windows only; None for all.

    Raises:
        ValueError: If the series does not match what is declared.
    """

    def __init__(
        self,
        source: Source,
        root: str,
        columns: Sequence[str],
        channels: int,
        length: int,
        horizon: int,
        train: int | float,
        validation: int | float,
        test: int | float,
        missing: Missing,
        batch_size: int,
        seed: Seed,
        workers: Workers,
        train_size: int | None,
    ) -> None:
        super().__init__(batch_size, seed, workers)
        check_batching(batch_size, train_size, None, 0)
        if len(columns) != channels:
            raise ValueError(f"data.columns names {len(columns)} columns and data.channels is {channels}")
        if length < 1 or horizon < 1:
            raise ValueError(f"data.length={length} and data.horizon={horizon} are steps, at least 1")
        self.source, self.root, self.columns, self.missing = source, Path(root), list(columns), missing
        self.parts = {"train": train, "validation": validation, "test": test}
        self.length, self.horizon, self.train_size = length, horizon, train_size
        self.scale: Scale | None = None

    def prepare_data(self) -> None:
        self.source.prepare(self.root)

    def setup(self, stage: str) -> None:
        if self.train_set is not None:
            return
        rows = self.source.load(self.root)
        sizes = [self._size(name, share, len(rows)) for name, share in self.parts.items()]
        train, val, test = np.cumsum(sizes).tolist()
        if test > len(rows):
            raise ValueError(
                f"data.train, validation and test are {sizes} rows, and there are {len(rows)}: take fewer, or shares"
            )
        for start, stop in ((0, train), (train, val), (val, test)):
            rows[start:stop] = self._whole(rows[start:stop], start, "data")
        series = torch.from_numpy(rows)
        self.scale = self.scale or Scale.of(series[:train], (0,))  # or that of the run whose state was loaded
        self.fingerprints = {"train": fingerprint(rows[:train]), "test": fingerprint(rows[val:test])}
        fewer = self.length + self.horizon - 1 + (self.train_size or train)
        self.train_set = self._windows(series, self.length, min(train, fewer))
        self.val_set, self.test_set = self._windows(series, train, val), self._windows(series, val, test)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.scale is None else {"mean": self.scale.mean, "std": self.scale.std}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scale = Scale(state_dict["mean"], state_dict["std"])

    def examples(self, path: Path) -> Iterator[tuple[str, Tensor]]:
        """Place and values [length, channels] of the last steps of a table with the same columns, for prediction.

        Raises:
            ValueError: If the table is too short, or not like the one that was trained on.
        """
        rows = read_numbers(path, self.columns, gaps=True)
        if len(rows) < self.length:
            raise ValueError(f"{path} has {len(rows)} rows, and this network sees {self.length}: give at least as many")
        first = len(rows) - self.length
        seen = self._whole(rows[first:], first, str(path))
        yield f"{path} row {len(rows)}", torch.from_numpy(seen)

    def example(self, rows: Sequence[Sequence[float | None]]) -> Tensor:
        """Values [length, channels] of the last steps of a series, of which None is one that is missing.

        Raises:
            ValueError: If there are too few steps, a step has another number of values, or a gap is not to be filled.
        """
        if len(rows) < self.length:
            raise ValueError(f"the example has {len(rows)} steps, and this network sees {self.length}: give as many")
        first = len(rows) - self.length
        for step, row in enumerate(rows[first:], first + 1):
            if len(row) != len(self.columns):
                raise ValueError(f"step {step} has {len(row)} values, and there are {len(self.columns)} columns")
        return torch.from_numpy(self._whole(np.stack([as_floats(row) for row in rows[first:]]), first, "the example"))

    def preprocessing(self) -> dict[str, Any]:
        """What stands between a series and the network, and between its forecast and the units of the series, in plain
        values: steps and channels that are seen, steps that are forecast, the columns' names, mean and standard
        deviation."""
        return {
            "kind": "forecast",
            "shape": [self.length, len(self.columns)],
            "horizon": self.horizon,
            "columns": self.columns,
            **fitted(self.scale).facts(),
        }

    def batch(self, examples: Sequence[Tensor]) -> Tensor:
        """What is seen [batch, length, channels], ready for the network."""
        return fitted(self.scale)(torch.stack(list(examples)))

    def _whole(self, rows: NDArray[np.float32], first: int, where: str) -> NDArray[np.float32]:
        """Rows without gaps."""
        whole: NDArray[np.float32] = close_gaps(
            rows[None], self.missing, lambda _, row, column: f"{where} row {first + row + 1}: {self.columns[column]}"
        )[0]
        return whole

    def _size(self, name: str, share: int | float, rows: int) -> int:
        """The rows of a part."""
        if isinstance(share, float) and not 0 < share < 1:
            raise ValueError(f"data.{name}={share} is neither a number of rows nor a share of them between 0 and 1")
        size = int(share * rows) if isinstance(share, float) else share
        least = self.horizon + self.length * (name == "train")
        if size < least:
            raise ValueError(f"data.{name}={share} is {size} rows, too few for a window: it takes {least}")
        return size

    def _windows(self, series: Tensor, start: int, stop: int) -> Windows:
        return Windows(series, start, stop, self.length, self.horizon)

    def as_read(self, part: Windows) -> Standardised:
        return Standardised(part, fitted(self.scale), targets=True)
