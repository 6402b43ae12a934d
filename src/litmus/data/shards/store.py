"""Where the files of shards are: in a folder, or behind a URL and copied from there into one of a limited size."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from litmus.data.cache import key_of
from litmus.data.download import digest, only_one
from litmus.data.shards.manifest import Shard

CHUNK = 1 << 20  # bytes copied at once


@runtime_checkable
class Store(Protocol):
    """One of the classes below."""

    def place(self, shard: Shard) -> str:
        """The shard's name, for people."""

    def check(self, shard: Shard, whole: bool) -> None:
        """Refuses a shard that is not as it was written.

        Args:
            whole: Whether to read all of it, or to look at its size.

        Raises:
            ValueError: With what is wrong.
        """

    def open(self, shard: Shard) -> BinaryIO:
        """The shard's file.

        Raises:
            OSError: If it can't be read.
            ValueError: If it is not as it was written, as far as that has been looked at.
        """


class LocalShards:
    """Shards in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, shard: Shard) -> str:
        return str(self.folder / shard.file)

    def check(self, shard: Shard, whole: bool) -> None:
        path = self.folder / shard.file
        if not path.is_file():
            raise ValueError(f"{path} is not there")
        if (size := path.stat().st_size) != shard.bytes:
            raise ValueError(f"{path} has {size:,} bytes, and its manifest says {shard.bytes:,}")
        if whole and digest(path, "sha256") != shard.sha256:
            raise ValueError(f"{path} has another checksum than its manifest says")

    def open(self, shard: Shard) -> BinaryIO:
        return open(self.folder / shard.file, "rb")


class RemoteShards:
    """Shards behind a URL that fsspec knows. Each is copied when it is asked for, is checked, and makes room when the
    copies take more than there may be: those that were not used for longest go first.

    Args:
        cache: Folder of the copies, which several processes and data sets may share.
        most: Bytes that they may take.
    """

    def __init__(self, url: str, cache: Path, most: int) -> None:
        self.url, self.cache, self.most = url.rstrip("/"), cache, most

    def place(self, shard: Shard) -> str:
        return f"{self.url}/{shard.file}"

    def check(self, shard: Shard, whole: bool) -> None:
        """A copy is checked as it is made, so nothing is copied to look at a size."""
        if shard.bytes > self.most:
            raise ValueError(
                f"{self.place(shard)} has {shard.bytes:,} bytes, and its copies may take {self.most:,}: give a larger "
                "data.cache_gb"
            )
        if whole:
            self.open(shard).close()

    def open(self, shard: Shard) -> BinaryIO:
        """What is open stays readable, even if it makes room for others meanwhile."""
        path = self.cache / f"{key_of([self.url, shard.file, shard.sha256])}.parquet"
        with contextlib.suppress(FileNotFoundError):
            return self._use(path)
        self.cache.mkdir(parents=True, exist_ok=True)
        with only_one(self.cache):
            with contextlib.suppress(FileNotFoundError):
                return self._use(path)
            self._make_room(shard.bytes)
            part = path.with_suffix(f".{os.getpid()}.part")
            try:
                self._copy(shard, part)
                part.rename(path)
            finally:
                part.unlink(missing_ok=True)
            return self._use(path)

    def _use(self, path: Path) -> BinaryIO:
        os.utime(path)
        return open(path, "rb")

    def _copy(self, shard: Shard, path: Path) -> None:
        import fsspec

        place = self.place(shard)
        try:
            with fsspec.open(place, "rb") as source, open(path, "wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
        except Exception as error:  # every kind of store has its own
            raise ValueError(
                f"{place} can't be copied to {self.cache}: {str(error) or type(error).__name__}"
            ) from error
        if path.stat().st_size != shard.bytes or digest(path, "sha256") != shard.sha256:
            raise ValueError(f"{place} has another checksum than its manifest says")

    def _make_room(self, needed: int) -> None:
        """Deletes what was used longest ago, until there is as much room."""
        found = sorted((path.stat().st_mtime_ns, path.stat().st_size, path) for path in self.cache.glob("*.parquet"))
        taken = sum(size for _, size, _ in found)
        for _, size, path in found:
            if taken + needed <= self.most:
                break
            path.unlink(missing_ok=True)
            taken -= size
