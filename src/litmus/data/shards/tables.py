"""Tables out of shards: a row is an example, its columns are the steps of a series with one channel."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from litmus.data.series.numbers import parse, read_cells
from litmus.data.series.scale import Scale, fitted
from litmus.data.shards.reader import NUMBER, numbers_of
from litmus.data.shards.rows import Decode
from litmus.data.shards.shard_data import ShardData


class TableShards(ShardData):
    """Numbers, standardised column by column as the manifest has them.

    Args:
        columns: What the target is predicted from; held against the manifest.
    """

    kind = NUMBER

    def __init__(self, columns: Sequence[str], **shards: Any) -> None:
        super().__init__(**{**shards, "window": 1})
        self.columns = list(columns)
        self.scale: Scale | None = None

    def setup(self, stage: str) -> None:
        super().setup(stage)
        for prepared in self.sets:
            if list(prepared.manifest.inputs) != self.columns:
                raise ValueError(
                    f"{prepared.manifest.path} has the columns {', '.join(prepared.manifest.inputs)}, and data.columns "
                    f"are {', '.join(self.columns)}: give the data that the run is configured for"
                )
        if self.scale is None:  # else it is that of the run whose state was loaded
            pairs = [self.statistics([name] * len(self.sets)) for name in self.columns]
            mean, std = (torch.stack(values)[:, None] for values in zip(*pairs, strict=True))
            self.scale = Scale(mean, std)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.scale is None else {"mean": self.scale.mean, "std": self.scale.std}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scale = Scale(state_dict["mean"], state_dict["std"])

    def decode(self) -> Decode:
        return Numbers(self.columns, fitted(self.scale))

    def examples(self, path: Path) -> Iterator[tuple[str, Tensor]]:
        """Place and input [columns, 1] of each row of a table of new examples, for prediction."""
        for where, cells in read_cells(path, self.columns):
            numbers = torch.tensor(parse(cells, where, self.columns))[:, None]
            if not numbers.isfinite().all():
                wrong = int((~numbers.isfinite()).flatten().int().argmax())
                raise ValueError(f"{where}: {self.columns[wrong]} is {numbers[wrong].item()}: mend it")
            yield where, fitted(self.scale)(numbers)

    def batch(self, examples: Sequence[Tensor]) -> Tensor:
        """Series [batch, columns, 1], ready for the network."""
        return torch.stack(list(examples))


class Numbers:
    """Columns to series [batch, columns, 1]."""

    def __init__(self, columns: Sequence[str], scale: Scale) -> None:
        self.columns, self.scale = columns, scale

    def __call__(self, tables: list[Any]) -> Tensor:
        return self.scale(torch.cat([numbers_of(table, self.columns) for table in tables])[..., None])
