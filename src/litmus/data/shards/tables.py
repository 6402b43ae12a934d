"""Tables out of shards: a row is an example, its columns are the steps of a series with one channel."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from litmus.data.series.numbers import as_floats, parse, read_cells
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
        """Place and numbers [columns, 1] of each row of a table of new examples, for prediction."""
        for where, cells in read_cells(path, self.columns):
            yield where, self.example(parse(cells, where, self.columns), where)

    def example(self, numbers: Sequence[float | None], where: str = "the example") -> Tensor:
        """Numbers [columns, 1] as a row of the table has them.

        Raises:
            ValueError: If there are not as many, or one is None or not finite.
        """
        if len(numbers) != len(self.columns):
            raise ValueError(f"{where} has {len(numbers)} numbers, and there are {len(self.columns)} columns")
        row = torch.from_numpy(as_floats(numbers))[:, None]
        if not row.isfinite().all():
            wrong = int((~row.isfinite()).flatten().int().argmax())
            raise ValueError(f"{where}: {self.columns[wrong]} is {row[wrong].item()}: mend it")
        return row

    def preprocessing(self) -> dict[str, Any]:
        """What stands between a row and the network, in plain values: steps and channels, the columns' names, mean and
        standard deviation."""
        scale, shape = fitted(self.scale), [len(self.columns), 1]
        return {"kind": "numbers", "shape": shape, "columns": self.columns, **scale.facts()}

    def batch(self, examples: Sequence[Tensor]) -> Tensor:
        """Series [batch, columns, 1], ready for the network."""
        return fitted(self.scale)(torch.stack(list(examples)))


class Numbers:
    """Columns to series [batch, columns, 1]."""

    def __init__(self, columns: Sequence[str], scale: Scale) -> None:
        self.columns, self.scale = columns, scale

    def __call__(self, tables: list[Any]) -> Tensor:
        return self.scale(torch.cat([numbers_of(table, self.columns) for table in tables])[..., None])
