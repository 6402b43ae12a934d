"""Random pixels in the files of CIFAR-10 and MNIST: speed and memory do not ask what is in a picture."""

from pathlib import Path

import numpy as np

UNCHECKED = "data.source.sha256=null"


def cifar10(root: Path) -> list[str]:
    """Writes 50,000 + 10,000 records; gives the overrides that train on them."""
    rng = np.random.default_rng(0)
    folder = root / "cifar-10-batches-bin"
    if not folder.exists():
        folder.mkdir(parents=True)
        for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
            records = rng.integers(0, 256, (10_000, 3073), dtype=np.uint8)
            records[:, 0] %= 10
            records.tofile(folder / name)
    return ["data=cifar10", f"data.root={root}", UNCHECKED]


def mnist(root: Path) -> list[str]:
    """Writes 60,000 + 10,000 images and labels; gives the overrides that train on them."""
    rng = np.random.default_rng(0)
    folder = root / "mnist"
    if not folder.exists():
        folder.mkdir(parents=True)
        for prefix, count in (("train", 60_000), ("t10k", 10_000)):
            for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
                head = np.array([0x800 + len(shape), *shape], ">u4").tobytes()
                values = rng.integers(0, 256 if len(shape) == 3 else 10, shape, dtype=np.uint8)
                (folder / f"{prefix}-{kind}-ubyte").write_bytes(head + values.tobytes())
    return ["data=mnist", f"data.root={root}", UNCHECKED]
