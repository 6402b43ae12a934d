"""CIFAR-10 and CIFAR-100 from their binary files: no pickle is ever loaded (Krizhevsky 2009)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from litmus.data.download import digest
from litmus.data.remote import RemoteArchive

SIDE, CHANNELS = 32, 3  # pixels; a record is its labels, then one plane a channel


class Cifar:
    """Reads `root`/`folder`/*.bin, or `root`/*.bin; downloads the archive where neither stands.

    Args:
        label_bytes: Labels at the head of a record; the last one is used.
        checksum: Of the archive, as `algorithm:hexadecimal`.
        sha256: Of the files, checked whenever they are read; None for files of your own.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        train: Sequence[str],
        test: Sequence[str],
        label_bytes: int,
        url: str,
        checksum: str,
        sha256: Mapping[str, str] | None,
    ) -> None:
        self.name, self.folder, self.url, self.checksum = name, folder, url, checksum
        self.files = {"train": list(train), "test": list(test)}
        self.label_bytes, self.sha256 = label_bytes, sha256 or {}

    def prepare(self, root: Path) -> None:
        """Downloads and extracts what is missing, once, even if two runs ask at the same time."""
        if self._find(root) is None:
            RemoteArchive(self.url, self.checksum, strip=1).fetch(self.name, root / self.folder, self._names())

    def load(self, root: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images [count, height, width, channels] and labels [count] of `train` or `test`."""
        folder = self._find(root)
        if folder is None:
            raise FileNotFoundError(f"{self.name} was in {root} a moment ago and is not any more")
        size = self.label_bytes + CHANNELS * SIDE * SIDE
        records = [self._check(folder / name, size) for name in self.files[split]]
        images = np.empty((sum(records), SIDE, SIDE, CHANNELS), np.uint8)
        labels = np.empty(len(images), np.int64)
        end = 0
        for name, count in zip(self.files[split], records, strict=True):
            data = np.fromfile(folder / name, np.uint8).reshape(count, size)
            start, end = end, end + count
            labels[start:end] = data[:, self.label_bytes - 1]
            planes = data[:, self.label_bytes :].reshape(count, CHANNELS, SIDE, SIDE)
            images[start:end] = planes.transpose(0, 2, 3, 1)
        return images, labels

    def _check(self, path: Path, size: int) -> int:
        """The number of records in a file that is whole and unaltered."""
        bytes_ = path.stat().st_size
        if bytes_ == 0 or bytes_ % size:
            raise ValueError(f"{path} is truncated: {bytes_} bytes are no whole number of {size}-byte records")
        if path.name in self.sha256 and digest(path, "sha256") != self.sha256[path.name]:
            raise ValueError(f"{path} is not the official file: its SHA-256 differs; delete it to download it again")
        return bytes_ // size

    def _names(self) -> list[str]:
        return self.files["train"] + self.files["test"]

    def _places(self, root: Path) -> list[Path]:
        return [root / self.folder, root]

    def _find(self, root: Path) -> Path | None:
        return next((p for p in self._places(root) if all((p / name).is_file() for name in self._names())), None)
