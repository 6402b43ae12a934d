"""The handwritten digits that scikit-learn ships: real data without a network (Alpaydin & Kaynak 1998)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TEST = 0.2  # share held out; the archive's own training part is not shipped
TEST_SEED = 0


class Digits:
    """1,797 images of 8 x 8 with 17 grey values, cut into train and test by class, always in the same way."""

    def prepare(self, root: Path) -> None:
        """Nothing to do: the images lie in the package."""

    def load(self, root: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images [count, 8, 8, 1] with values from 0 to 255 and labels [count] of `train` or `test`."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        pixels, labels = load_digits(return_X_y=True)
        images = np.round(pixels.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
        train, test = train_test_split(np.arange(len(labels)), test_size=TEST, random_state=TEST_SEED, stratify=labels)
        chosen = np.sort({"train": train, "test": test}[split])
        return images[chosen], labels[chosen].astype(np.int64)
