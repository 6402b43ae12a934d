"""Limits of values in signatures: a configuration is held against them before anything is built."""

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Within:
    """A number from `low` to `high`."""

    low: int | float
    high: int | float

    def holds(self, value: Any) -> bool:
        return not isinstance(value, int | float) or self.low <= value <= self.high

    def __str__(self) -> str:
        return f"from {self.low} to {self.high}"


@dataclass(frozen=True)
class Long:
    """A list of `low` to `high` items."""

    low: int
    high: int

    def holds(self, value: Any) -> bool:
        return not isinstance(value, list) or self.low <= len(value) <= self.high

    def __str__(self) -> str:
        return f"a list of {self.low}" if self.low == self.high else f"a list of {self.low} to {self.high}"


Size = Annotated[int, Within(1, 1 << 20)]  # of a layer, an image or a text
Sizes = Annotated[Sequence[Size], Long(1, 1000)]
Shape = Annotated[Sequence[Size], Long(3, 3)]  # channels, height, width
Count = Annotated[int, Within(0, 1 << 20)]
Seed = Annotated[int, Within(0, LARGEST_SEED)]
Workers = Annotated[int, Within(0, 64)]  # processes of one rank
Depth = Annotated[int, Within(1, 1000)]  # layers
Share = Annotated[float, Within(0, 1)]
Scale = Annotated[float, Within(0, 1e6)]


def exceeded(value: Any, hint: Any) -> Within | Long | None:
    """The first of a type's limits that a value, or an item of a list, is not within."""
    values = [value, *value] if isinstance(value, list) else [value]
    return next((limit for limit in _limits(hint) if not all(map(limit.holds, values))), None)


def _limits(hint: Any) -> Iterator[Within | Long]:
    for part in (*getattr(hint, "__metadata__", ()), *typing.get_args(hint)):
        if isinstance(part, Within | Long):
            yield part
        else:
            yield from _limits(part)
