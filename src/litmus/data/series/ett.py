"""The Electricity Transformer Temperature series (Zhou et al. 2021, "Informer"): loads and oil temperature."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from litmus.data.download import digest, obtain, only_one
from litmus.data.series.numbers import read_numbers


class Ett:
    """Reads `root`/`file`; downloads it where it is not there.

    Args:
        sha256: Of the file, checked whenever it is read; None if it is not known.
    """

    def __init__(self, name: str, file: str, url: str, sha256: str | None, columns: Sequence[str]) -> None:
        self.name, self.file, self.url, self.sha256, self.columns = name, file, url, sha256, list(columns)

    def prepare(self, root: Path) -> None:
        """Downloads the file if it is missing, once, even if two runs ask at the same time."""
        path = root / self.file
        if path.is_file():
            return
        with only_one(path):
            if not path.is_file():
                obtain(self.name, self.url, path, self._is_official, [path.parent])

    def load(self, root: Path) -> NDArray[np.float32]:
        """The series [rows, columns]."""
        path = root / self.file
        if not self._is_official(path):
            raise ValueError(f"{path} is not the published file: its SHA-256 differs; delete it to download it again")
        return read_numbers(path, self.columns, gaps=True)

    def _is_official(self, path: Path) -> bool:
        return self.sha256 is None or digest(path, "sha256") == self.sha256
