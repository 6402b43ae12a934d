"""Standardising by the mean and standard deviation of the training part, wherever the values come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

Batch = tuple[Tensor, Tensor]
CONSTANT = 1e-6  # of the mean: a smaller standard deviation is rounding, not variation


@dataclass(frozen=True)
class Scale:
    """Takes values to mean 0 and standard deviation 1, and back."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, values: Tensor, over: Sequence[int]) -> "Scale":
        """The scale of values over some of their dimensions; what is constant is shifted only."""
        std, mean = torch.std_mean(values.double(), list(over), correction=0)
        return cls(mean.float(), torch.where(std > CONSTANT * mean.abs(), std, 1.0).float())

    def __call__(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.std

    def facts(self) -> dict[str, Any]:
        """Both in plain values."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    def undo(self, values: Tensor) -> Tensor:
        """Back to the units that the values came in."""
        return values * self.std + self.mean


def fitted(scale: Scale | None) -> Scale:
    """The scale, if there is one yet.

    Raises:
        ValueError: If the data are used before they were fitted.
    """
    if scale is None:
        raise ValueError("inputs are standardised by their training part: fit first, or load the state of a run")
    return scale


class Standardised(Dataset[Batch]):
    """A set whose inputs are standardised as they are read, and its targets too where they are of the same kind."""

    def __init__(self, part: Any, scale: Scale, targets: bool) -> None:
        self.part, self.scale, self.targets = part, scale, targets

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, indices: Tensor) -> Batch:
        inputs, targets = self.part[indices]
        return self.scale(inputs), self.scale(targets) if self.targets else targets
