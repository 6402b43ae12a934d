"""The diabetes data that scikit-learn ships: ten measurements of 442 patients, and the disease a year later (Efron et
al. 2004, "Least angle regression")."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TEST = 0.2  # share held out: no split is published
TEST_SEED = 0


class Diabetes:
    """Raw measurements as series of 10 steps; cut into train and test always in the same way."""

    def prepare(self, root: Path) -> None:
        """Nothing to do: the table lies in the package."""

    def load(self, root: Path, split: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Measurements [count, 10, 1] and progression [count, 1], from 25 to 346, of `train` or `test`."""
        from sklearn.datasets import load_diabetes
        from sklearn.model_selection import train_test_split

        rows, progression = load_diabetes(return_X_y=True, scaled=False)
        train, test = train_test_split(np.arange(len(rows)), test_size=TEST, random_state=TEST_SEED)
        chosen = np.sort({"train": train, "test": test}[split])
        return rows[chosen, :, None].astype(np.float32), progression[chosen, None].astype(np.float32)
