"""Problems of the UCR and UEA archives (Dau et al. 2019) from their .ts files.

The package aeon ships some of them; only its files are read, for importing it takes seconds and a compiler.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SUFFIX = {"train": "TRAIN", "test": "TEST"}


class Ucr:
    """Reads PROBLEM_TRAIN.ts and PROBLEM_TEST.ts under `root`/ucr/PROBLEM, or where aeon keeps them.

    Args:
        problem: Its name in the archive.
        classes: Its labels, in the order in which they are numbered.
    """

    def __init__(self, problem: str, classes: Sequence[str]) -> None:
        self.problem, self.classes = problem, list(classes)

    def prepare(self, root: Path) -> None:
        """Looks for the files.

        Raises:
            ValueError: If they are nowhere.
        """
        self._find(root)

    def load(self, root: Path, split: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Series [count, length, channels] and labels [count] of `train` or `test`.

        Raises:
            ValueError: If the series have different lengths, or other classes than declared.
        """
        path = self._find(root) / f"{self.problem}_{SUFFIX[split]}.ts"
        series, labels = read_ts(path)
        known, found = set(self.classes), set(labels)
        if found - known or (split == "train" and known - found):
            _, length, channels = series.shape
            names = ",".join(f'"{label}"' for label in sorted(found))
            raise ValueError(
                f"data.source.problem={self.problem} has other classes than data.classes: give data.length={length} "
                f"data.channels={channels} 'data.classes=[{names}]'"
            )
        return series, np.array([self.classes.index(label) for label in labels], np.int64)

    def _find(self, root: Path) -> Path:
        aeon = importlib.util.find_spec("aeon")
        places = [root / "ucr" / self.problem]
        if aeon is not None and aeon.origin is not None:
            places.append(Path(aeon.origin).parent / "datasets" / "data" / self.problem)
        for place in places:
            if all((place / f"{self.problem}_{name}.ts").is_file() for name in SUFFIX.values()):
                return place
        raise ValueError(
            f"data.source.problem={self.problem} is not in {' or '.join(map(str, places))}: put its .ts files from "
            "timeseriesclassification.com there, or take one that aeon ships, such as ItalyPowerDemand, after "
            "pip install --no-deps aeon"
        )


def read_ts(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    """Series [count, length, channels] and labels: a line is `channel:channel:...:label`, after a head of @ and #.

    Raises:
        ValueError: If a line can't be read, or is of another length than the first.
    """
    series: list[NDArray[np.float32]] = []
    labels: list[str] = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or line.startswith(("@", "#")):
                continue
            *channels, label = line.strip().split(":")
            try:
                values = [np.array(channel.replace("?", "nan").split(","), np.float32) for channel in channels]
                series.append(np.stack(values, 1))
            except ValueError as error:
                raise ValueError(f"{path}:{number} can't be read as a series: {error}") from error
            labels.append(label)
            if series[-1].shape != series[0].shape:
                raise ValueError(
                    f"{path}:{number} has {len(series[-1])} steps and the first series {len(series[0])}: series of "
                    "different lengths are not supported, so pad them, or take a problem of equal lengths"
                )
    if not series:
        raise ValueError(f"{path} has no series")
    return np.stack(series), labels
