"""A prepared data set that is opened: its manifest, where its shards are, and what is left where some are damaged."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from litmus.data.cache import key_of
from litmus.data.shards.blocks import Blocks
from litmus.data.shards.manifest import Manifest, Shard, is_url, read_manifest
from litmus.data.shards.reader import DAMAGE, Reader
from litmus.data.shards.store import LocalShards, RemoteShards, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """The rows of some blocks of a split, from one to before another."""

    split: str
    shards: tuple[Shard, ...]
    blocks: Blocks
    first: int
    last: int

    @property
    def start(self) -> int:
        """The first row."""
        return self.blocks.rows_before(self.first)

    @property
    def rows(self) -> int:
        return self.blocks.rows_before(self.last) - self.start


class Prepared:
    """One data set.

    Args:
        cache: Folder of the copies of remote shards, and bytes that they may take.
        skip: Whether damaged shards are left out, for which all are read, or refused, for which their sizes are looked
            at, and the rest as they are read.
        validation: Share of the training blocks that validates where there is no such split: the last ones.
    """

    def __init__(self, path: str, cache: tuple[Path, int], skip: bool, validation: float) -> None:
        self.manifest: Manifest = read_manifest(path)
        self.store: Store = RemoteShards(path, *cache) if is_url(path) else LocalShards(Path(path))
        self.skip, self.validation = skip, validation
        self.whole: dict[str, tuple[Shard, ...]] = {}  # the shards that are

    def part(self, name: str) -> Part:
        """Of `train`, `validation` and `test`; where there is no test split, the rows that validate are tested on.

        Raises:
            ValueError: If a shard is damaged, or there are too few blocks to hold one out.
        """
        splits = self.manifest.splits
        if name == "test" and name not in splits:
            return self.part("validation")
        split = name if name in splits else "train"
        shards = self.shards(split)
        blocks = Blocks([shard.rows for shard in shards], self.manifest.block_rows)
        if name == "test" or "validation" in splits:
            return Part(split, shards, blocks, 0, len(blocks))
        if len(blocks) < 2:
            raise ValueError(
                f"{self.manifest.path} has no validation split, and its {blocks.rows_before(1)} training rows are "
                "one block, which can't be shared: prepare it with a validation split, or with smaller blocks"
            )
        held_out = min(max(1, round(self.validation * len(blocks))), len(blocks) - 1)
        cut = len(blocks) - held_out
        return Part(split, shards, blocks, *((0, cut) if name == "train" else (cut, len(blocks))))

    def shards(self, split: str) -> tuple[Shard, ...]:
        """Those of a split that are whole, looked at once."""
        if split not in self.whole:
            found = []
            for shard in self.manifest.splits[split].shards:
                try:
                    self.store.check(shard, whole=self.skip)
                except ValueError as error:
                    if not self.skip:
                        raise ValueError(f"{error}: {DAMAGE}") from error
                    log.warning(f"left out: {error}; its {shard.rows:,} rows are not read")
                else:
                    found.append(shard)
            if not found:
                raise ValueError(f"{self.manifest.path}: not one shard of {split} is whole: copy or prepare it again")
            self.whole[split] = tuple(found)
        return self.whole[split]

    def fingerprint(self, split: str) -> str:
        """Of what is read of a split."""
        given, shards = self.manifest.splits[split], self.shards(split)
        whole = len(shards) == len(given.shards)
        return given.fingerprint if whole else key_of([given.fingerprint, [shard.file for shard in shards]])

    def reader(self, part: Part, columns: Mapping[str, str], capacity: int) -> Reader:
        """Reads columns, by what they hold, and keeps so many blocks."""
        manifest = self.manifest
        return Reader(
            self.store, part.shards, manifest.block_rows, columns, len(manifest.classes or ()), max(1, capacity)
        )
