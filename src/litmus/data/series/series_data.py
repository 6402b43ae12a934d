"""Series in memory, with a class or numbers to each: whole batches by indexing, standardised as they are read."""

from collections.abc import Iterator, Sequence, Sized
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from litmus.data.fingerprint import fingerprint
from litmus.data.loaders import Indexed, InMemory, check_batching, check_labels, hold_out
from litmus.data.series.gaps import Missing, close_gaps
from litmus.data.series.numbers import as_floats, parse, read_cells, read_lines
from litmus.data.series.scale import Scale, Standardised, fitted
from litmus.limits import Seed, Workers

Batch = tuple[Tensor, Tensor]
OVER = {"channel": (0, 1), "column": (0,)}  # what is averaged of [count, length, channels]
SAME = Scale(torch.zeros(1), torch.ones(1))


@runtime_checkable
class Source(Protocol):
    """Where series come from: mnist1d.py, ucr.py, adding.py, diabetes.py, table.py."""

    def prepare(self, root: Path) -> None:
        """Downloads or makes what is missing under `root`."""

    def load(self, root: Path, split: str) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Series [count, length, channels] of `train` or `test`, and int64 labels [count] or float32 targets
        [count, targets]."""


class SeriesData(InMemory):
    """Train and validation series cut from a source's training split, and its test split as published.

    Args:
        root: Where the files stand or go.
        length: Steps of a series; held against the data, like `channels`.
        classes: A name for each label; None where targets are numbers.
        targets: Numbers to predict; not looked at where there are classes.
        columns: Names of an example's numbers, to find them in a table of new ones; None goes by their order.
        standardise: Each `channel` over all steps, or each step of each channel by itself, a `column` of a table.
        missing: What to do about values that are not there.
        batch_size: Examples a step over all devices.
        validation: Share of the training split that is held out by `split_seed`; with none the last step counts.
        train_size: Train on the first so many of the rest; None for all.

    Raises:
        ValueError: If the data do not match what is declared.
    """

    def __init__(
        self,
        source: Source,
        root: str,
        length: int,
        channels: int,
        num_classes: int | None,
        classes: Sequence[str] | None,
        targets: int | None,
        columns: Sequence[str] | None,
        standardise: Literal["channel", "column", "none"],
        missing: Missing,
        batch_size: int,
        validation: float,
        split_seed: int,
        seed: Seed,
        workers: Workers,
        train_size: int | None,
    ) -> None:
        super().__init__(batch_size, seed, workers)
        check_batching(batch_size, train_size, validation, split_seed, may_hold_out_none=True)
        if classes is None and targets is None:
            raise ValueError(
                "data.classes and data.targets are both null: name the classes, or count the numbers to predict"
            )
        if classes is not None and len(classes) != num_classes:
            raise ValueError(f"data.classes names {len(classes)} classes and data.num_classes is {num_classes}")
        if standardise == "column" and missing == "interpolate":
            raise ValueError(
                "data.missing=interpolate goes along the steps, and a table has columns: data.missing=refuse"
            )
        if columns is not None and len(columns) != length * channels:
            raise ValueError(
                f"data.columns names {len(columns)} columns, and an example has {length} x {channels} numbers"
            )
        self.source, self.root, self.shape = source, Path(root), (length, channels)
        self.classes, self.targets = None if classes is None else list(classes), targets
        self.columns = None if columns is None else list(columns)
        self.standardise, self.missing = standardise, missing
        self.validation, self.split_seed, self.train_size = validation, split_seed, train_size
        self.scale: Scale | None = None

    def prepare_data(self) -> None:
        self.source.prepare(self.root)

    def setup(self, stage: str) -> None:
        if stage in ("fit", "validate") and self.train_set is None:
            inputs, targets = self._load("train")
            rest, held_out = hold_out(len(targets), self.validation, self.split_seed)
            chosen = rest[: self.train_size]
            if self.validation:
                self._check_scored(held_out, "validation")
            self.train_set, self.val_set = Indexed(inputs, targets, chosen), Indexed(inputs, targets, held_out)
            if self.scale is None:  # else it is that of the run whose state was loaded
                self.scale = Scale.of(inputs[chosen], OVER[self.standardise]) if self.standardise in OVER else SAME
            if self.classes is None:
                of_targets = Scale.of(targets[chosen], (0,))
                self.target_mean, self.target_std = of_targets.mean, of_targets.std
        if stage == "test" and self.test_set is None:
            self.test_set = Indexed(*self._load("test"))
            self._check_scored(self.test_set, "test")

    def state_dict(self) -> dict[str, Any]:
        return {} if self.scale is None else {"mean": self.scale.mean, "std": self.scale.std}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scale = Scale(state_dict["mean"], state_dict["std"])

    def examples(self, path: Path) -> Iterator[tuple[str, Tensor]]:
        """Place and numbers [length, channels] of each line of a CSV of new examples, for prediction.

        A line has the numbers of a series step by step, the channels of a step side by side; where `columns` are named,
        the file begins with names.

        Raises:
            ValueError: For a line that is not an example.
        """
        count = self.shape[0] * self.shape[1]
        names = self.columns or [f"number {number}" for number in range(1, count + 1)]
        for where, cells in read_cells(path, names) if self.columns else read_lines(path, count):
            yield where, self.example(parse(cells, where, names), where)

    def example(self, numbers: Sequence[float | None], where: str = "the example") -> Tensor:
        """Numbers [length, channels], of which None is one that is missing, as a line of a CSV has them.

        Raises:
            ValueError: If there are not as many, or a gap is not to be filled.
        """
        if len(numbers) != self.shape[0] * self.shape[1]:
            raise ValueError(f"{where} has {len(numbers)} numbers, and one has {self.shape[0]} x {self.shape[1]}")
        series = as_floats(numbers).reshape(1, *self.shape)
        return torch.from_numpy(close_gaps(series, self.missing, lambda _, *place: self._name(where, *place))[0])

    def preprocessing(self) -> dict[str, Any]:
        """What stands between an example's numbers and the network, in plain values: steps and channels, the columns'
        names, mean and standard deviation."""
        return {"kind": "numbers", "shape": list(self.shape), "columns": self.columns, **fitted(self.scale).facts()}

    def batch(self, examples: Sequence[Tensor]) -> Tensor:
        """Series [batch, length, channels], ready for the network."""
        return fitted(self.scale)(torch.stack(list(examples)))

    def _load(self, split: str) -> tuple[Tensor, Tensor]:
        """The arrays as tensors, after a look at what they hold."""
        series, targets = self.source.load(self.root, split)
        length, channels = self.shape
        if series.shape[1:] != self.shape:
            steps, width = series.shape[1:]
            raise ValueError(
                f"data.length={length} and data.channels={channels}, and the series are {steps} x {width}: give "
                f"data.length={steps} data.channels={width}"
            )
        self.fingerprints[split] = fingerprint(targets, series)
        series = close_gaps(
            series, self.missing, lambda example, *place: self._name(f"{split} example {example}", *place)
        )
        if self.classes is not None:
            check_labels(torch.from_numpy(targets), len(self.classes), split)
        else:
            self._check_numbers(targets, split)
        return torch.from_numpy(series), torch.from_numpy(targets)

    def _check_numbers(self, targets: NDArray[np.float32], split: str) -> None:
        """Refuses targets that are not as declared, or not finite."""
        if targets.shape[1:] != (self.targets,):
            raise ValueError(
                f"data.targets={self.targets}, and the {split} targets are {list(targets.shape[1:])} an example"
            )
        if len(targets) == 0:
            raise ValueError(f"the {split} split is empty")
        wrong = ~np.isfinite(targets).all(1)
        if wrong.any():
            raise ValueError(
                f"the target of {split} example {wrong.argmax()} is {targets[wrong.argmax()].tolist()}: leave it out"
            )

    def _check_scored(self, part: Sized, name: str) -> None:
        if self.classes is None and len(part) < 2:
            raise ValueError(
                f"the {name} part has {len(part)} example, and R2 takes two: give more data, or a larger share"
            )

    def _name(self, where: str, step: int, channel: int) -> str:
        if self.columns is not None:
            return f"{where}: {self.columns[step * self.shape[1] + channel]}"
        return f"{where}: step {step} of channel {channel}"

    def as_read(self, part: Indexed) -> Standardised:
        return Standardised(part, fitted(self.scale), targets=False)
