"""What data modules of shards share: the data sets, the order of their rows, the loaders. Inputs are up to each."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from litmus.data.cache import key_of
from litmus.data.loaders import check_batching, loader, ranks_of
from litmus.data.order import WholeBatches
from litmus.data.rows import check_pyarrow
from litmus.data.shards.batches import RowsInOrder, ShardBatches
from litmus.data.shards.blocks import Stream
from litmus.data.shards.manifest import manifests_of
from litmus.data.shards.prepared import Part, Prepared
from litmus.data.shards.rows import Batch, Decode, Decoded, Lengths, Rows, wanted
from litmus.limits import Seed, Workers

log = logging.getLogger(__name__)

GIGABYTE = 1 << 30


class ShardData(LightningDataModule):
    """Rows out of prepared shards, or of several sets of them by weight.

    Args:
        path: Of a folder or URL that `litmus prepare` left, or of several.
        weights: Shares of a batch, one a path; None goes by their sizes.
        classes: A name for each label, as the manifests have them; None where targets are numbers.
        targets: Numbers to predict, where there are no classes.
        buffer: Blocks whose rows are shuffled together.
        window: Batches among which texts are sorted by length.
        batch_size: Rows a step over all devices.
        validation: Share of the training blocks that validates, where no validation split was prepared.
        damaged: Whether a damaged shard is refused, or left out and named.
        cache: Folder of the copies of remote shards, and of what is learned from the rows.
        cache_gb: Gigabytes (2^30) that the copies may take.

    Raises:
        ValueError: If the shards do not match what is declared.
    """

    kind: str  # of what the columns of an input hold: reader.py

    def __init__(
        self,
        path: str | Sequence[str],
        weights: Sequence[float] | None,
        classes: Sequence[str] | None,
        targets: int | None,
        buffer: int,
        window: int,
        batch_size: int,
        validation: float,
        seed: Seed,
        workers: Workers,
        damaged: Literal["refuse", "skip"],
        cache: str,
        cache_gb: float,
    ) -> None:
        super().__init__()
        check_batching(batch_size, None, validation, 0)
        for key, value in (("buffer", buffer), ("window", window)):
            if not 1 <= value <= 1 << 20:
                raise ValueError(f"data.{key}={value} is not from 1 to {1 << 20}")
        if not 0 < cache_gb <= 1 << 20:
            raise ValueError(f"data.cache_gb={cache_gb} is not above 0: give the gigabytes that copies may take")
        self.paths = [path] if isinstance(path, str) else list(path)
        if weights is not None and (len(weights) != len(self.paths) or not all(0 < one < 1e9 for one in weights)):
            raise ValueError(f"data.weights={list(weights)} is not a number above 0 for each of data.path")
        if classes is None and targets != 1:
            raise ValueError(f"data.targets={targets} and data.classes=null: shards have one target, or classes")
        self.weights, self.classes = weights, None if classes is None else list(classes)
        self.buffer, self.window, self.batch_size, self.validation = buffer, window, batch_size, validation
        self.seed, self.workers, self.skip = seed, workers, damaged == "skip"
        self.cache, self.copies = Path(cache), (Path(cache) / "shards", int(cache_gb * GIGABYTE))
        self.opened: list[Prepared] = []
        self.fingerprints: dict[str, str] = {}

    def decode(self) -> Decode:
        """From the tables of a batch to its inputs."""
        raise NotImplementedError

    def setup(self, stage: str) -> None:
        for name in ("train", "validation") if stage in ("fit", "validate") else ("test",):
            parts = self.parts(name)
            if name == "test" and parts[0][1].split != "test":
                log.warning(f"{self.paths[0]} has no test split: what validates is tested on")
            found = [prepared.fingerprint(part.split) for prepared, part in parts]
            self.fingerprints[parts[0][1].split] = found[0] if len(found) == 1 else key_of([found, self.weights])
        if self.classes is None and stage == "fit":
            mean, std = self.statistics([str(prepared.manifest.target) for prepared in self.sets])
            self.target_mean, self.target_std = mean[None], std[None]

    def train_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        parts = self.parts("train")
        streams = [
            Stream(part.blocks, part.last, self.buffer, (self.seed, number)) for number, (_, part) in enumerate(parts)
        ]
        capacities = [stream.reach(self.window * self.batch_size) for stream in streams]
        lengths = self.lengths(parts, capacities)
        ranks = ranks_of(self.trainer)
        batches = ShardBatches(streams, self.weights, self.batch_size, self.seed, *ranks, self.window, lengths)
        return loader(self.decoded(parts, capacities), batches, self.trainer, self.workers)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._in_order("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._in_order("test")

    @property
    def sets(self) -> list[Prepared]:
        """The data sets, opened once.

        Raises:
            ValueError: If they are not what the run was configured for.
        """
        if not self.opened:
            check_pyarrow()
            for manifest in manifests_of(self.paths):
                if manifest.target is None:
                    raise ValueError(f"{manifest.path} has no target to learn: prepare it with one")
                classes = None if manifest.classes is None else list(manifest.classes)
                if classes != self.classes:
                    raise ValueError(
                        f"{manifest.path} has the classes {classes}, and data.classes are {self.classes}: give the "
                        "data that the run is configured for"
                    )
            self.opened = [Prepared(path, self.copies, self.skip, self.validation) for path in self.paths]
        return self.opened

    def parts(self, name: str) -> list[tuple[Prepared, Part]]:
        """The rows of `train`, `validation` or `test` in each data set."""
        return [(prepared, prepared.part(name)) for prepared in self.sets]

    def decoded(self, parts: Sequence[tuple[Prepared, Part]], capacities: Sequence[int]) -> Decoded:
        """Rows with inputs and targets; so many blocks of them are kept."""
        has_classes = self.classes is not None
        columns = [wanted(prepared, self.kind, has_classes) for prepared, _ in parts]
        return Decoded(Rows(parts, columns, capacities), self.decode(), has_classes)

    def lengths(self, parts: Sequence[tuple[Prepared, Part]], capacities: Sequence[int]) -> Lengths | None:
        """How long rows are, where they differ."""
        return None

    def statistics(self, columns: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of a column, which has a name in each data set, over the mixture."""
        pairs = []
        for prepared, column in zip(self.sets, columns, strict=True):
            if column not in prepared.manifest.statistics:
                raise ValueError(
                    f"{prepared.manifest.path}/manifest.json has no statistics of {column}: prepare it again"
                )
            pairs.append(prepared.manifest.statistics[column])
        means, stds = torch.tensor(pairs, dtype=torch.float64).unbind(1)
        shares = torch.tensor(self.weights or [part.rows for _, part in self.parts("train")], dtype=torch.float64)
        shares /= shares.sum()
        mean = (shares * means).sum()
        std = (shares * (stds**2 + (means - mean) ** 2)).sum().sqrt()
        return mean.float(), torch.where(std > 1e-6 * mean.abs(), std, 1.0).float()

    def _in_order(self, name: str) -> DataLoader[Batch]:
        """Each row once over all ranks."""
        assert self.trainer is not None
        parts = self.parts(name)
        capacities = [self.window * self.batch_size // part.blocks.block_rows + 2 for _, part in parts]
        part, lengths = self.decoded(parts, capacities), self.lengths(parts, capacities)
        batches = RowsInOrder(len(part), self.batch_size, self.window if lengths else 1, lengths)
        return loader(part, WholeBatches(batches, *ranks_of(self.trainer)), self.trainer, self.workers)
