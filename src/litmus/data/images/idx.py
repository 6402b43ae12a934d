"""MNIST and its relatives from IDX files, gzipped or not (format: LeCun, "The MNIST database")."""

import gzip
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from litmus.data.download import digest, obtain, only_one

IMAGES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
LABELS = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}
NAMES = [*IMAGES.values(), *LABELS.values()]
UNSIGNED_BYTES = 0x0800  # the magic number, plus the number of dimensions


class Idx:
    """Reads the four files under one of `root`/`folders` or `root`; downloads them where none has them.

    Args:
        folders: Places under `root`, the first is where a download goes.
        url: Folder of the gzipped files.
        sha256: Of the gunzipped files, checked whenever they are read; None for files of your own.
    """

    def __init__(self, name: str, folders: Sequence[str], url: str, sha256: Mapping[str, str] | None) -> None:
        self.name, self.folders, self.url, self.sha256 = name, folders, url, sha256 or {}

    def prepare(self, root: Path) -> None:
        """Downloads what is missing, once, even if two runs ask at the same time."""
        if self._find(root):
            return
        folder = self._places(root)[0]
        with only_one(folder):
            for name in NAMES:
                if _file(folder, name) is None:
                    path = folder / f"{name}.gz"
                    obtain(self.name, f"{self.url}/{path.name}", path, self._is_official, self._places(root))

    def load(self, root: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images [count, height, width, 1] and labels [count] of `train` or `test`."""
        folder = self._find(root)
        if folder is None:
            raise FileNotFoundError(f"{self.name} was in {root} a moment ago and is not any more")
        images, labels = self._read(folder, IMAGES[split]), self._read(folder, LABELS[split])
        if len(images) != len(labels):
            raise ValueError(f"{folder}: {len(images)} {split} images and {len(labels)} labels do not belong together")
        return images[..., None], labels.astype(np.int64)

    def _read(self, folder: Path, name: str) -> NDArray[np.uint8]:
        path = _file(folder, name)
        assert path is not None
        try:
            with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
                content = bytearray(file.read())  # writable, as torch wants it
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} can't be read ({error}): delete it to download it again") from error
        dimensions = 3 if "idx3" in name else 1
        head = np.frombuffer(content[: 4 + 4 * dimensions], ">u4")
        if len(head) != 1 + dimensions or head[0] != UNSIGNED_BYTES + dimensions:
            raise ValueError(f"{path} is not an IDX file of bytes in {dimensions} dimensions")
        shape = tuple(int(side) for side in head[1:])
        if len(content) - head.nbytes != np.prod(shape, dtype=np.int64):
            raise ValueError(f"{path} is truncated or too long: its header promises {shape}, {len(content)} bytes came")
        if name in self.sha256 and hashlib.sha256(content).hexdigest() != self.sha256[name]:
            raise ValueError(f"{path} is not the official file: its SHA-256 differs; delete it to download it again")
        return np.frombuffer(content, np.uint8, offset=head.nbytes).reshape(shape)

    def _is_official(self, path: Path) -> bool:
        try:
            return digest(path, "sha256", gzip.open) == self.sha256.get(path.stem)
        except (EOFError, OSError, zlib.error):
            return False

    def _places(self, root: Path) -> list[Path]:
        return [*(root / folder for folder in self.folders), root]

    def _find(self, root: Path) -> Path | None:
        return next((place for place in self._places(root) if all(_file(place, name) for name in NAMES)), None)


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
