"""Your own images in class folders, decoded once into a memory-mapped array."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from litmus.data.cache import build_once, key_of

log = logging.getLogger(__name__)

SUFFIXES = {".png", ".jpg", ".jpeg"}


class ImageFolder:
    """Reads `root`/train/CLASS/* and `root`/test/CLASS/*, or `root`/CLASS/* with a share held out for testing.

    Args:
        image_shape: Channels (1 or 3), height, width: what images are resized and cut to.
        test: Share held out where there is no test folder.
        broken: Whether an image that can't be decoded is skipped or refused; it is named in either case.
        cache: Folder of the decoded arrays, one for each state of the files.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        classes: Sequence[str],
        test: float,
        split_seed: int,
        broken: Literal["skip", "refuse"],
        cache: str,
    ) -> None:
        self.image_shape, self.classes, self.test, self.split_seed = image_shape, list(classes), test, split_seed
        self.broken, self.cache = broken, Path(cache)

    def prepare(self, root: Path) -> None:
        """Decodes what is not in the cache."""
        for split in ("train", "test"):
            self.load(root, split)

    def load(self, root: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images [count, height, width, channels], memory-mapped, and labels [count] of `train` or `test`."""
        files = self._files(root, split)
        if not files:
            raise ValueError(f"{root} has no {split} images: put PNG or JPEG files into a folder a class")
        stats = [
            (str(path.relative_to(root)), label, path.stat().st_size, path.stat().st_mtime_ns) for path, label in files
        ]
        key = key_of([str(root.resolve()), list(self.image_shape), self.broken, stats])
        folder = self.cache / f"images-{key}"
        build_once(folder, lambda partial: self._decode(files, partial))
        return np.load(folder / "images.npy", mmap_mode="c"), np.load(folder / "labels.npy")

    def _files(self, root: Path, split: str) -> list[tuple[Path, int]]:
        """Paths and labels, in an order that does not depend on the file system."""
        if (root / "test").is_dir():
            return self._list(root / split)
        found = self._list(root / "train" if (root / "train").is_dir() else root)
        order = np.random.default_rng(self.split_seed).permutation(len(found))
        held_out = set(order[: round(self.test * len(found))].tolist())
        return [pair for index, pair in enumerate(found) if (index in held_out) == (split == "test")]

    def _list(self, top: Path) -> list[tuple[Path, int]]:
        return [
            (path, label)
            for label, name in enumerate(self.classes)
            for path in sorted((top / name).rglob("*"))
            if path.suffix.lower() in SUFFIXES
        ]

    def _decode(self, files: list[tuple[Path, int]], folder: Path) -> None:
        """Fills a folder with what can be decoded."""
        from tqdm import tqdm

        channels, height, width = self.image_shape
        images = np.lib.format.open_memmap(
            folder / "images.npy", mode="w+", dtype=np.uint8, shape=(len(files), height, width, channels)
        )
        labels: list[int] = []
        with ThreadPoolExecutor() as pool:
            decoded = pool.map(self._read, (path for path, _ in files))
            bar = tqdm(decoded, desc="decoding", total=len(files), disable=None)
            try:
                for (_, label), image in zip(files, bar, strict=True):
                    if image is not None:
                        images[len(labels)] = image
                        labels.append(label)
            finally:
                pool.shutdown(cancel_futures=True)
        if not labels:
            raise ValueError(f"not one of {len(files)} images could be read, the first was {files[0][0]}")
        images.flush()
        if len(labels) < len(files):
            np.save(folder / "whole.npy", images[: len(labels)])
            (folder / "whole.npy").replace(folder / "images.npy")
        np.save(folder / "labels.npy", np.array(labels, np.int64))

    def _read(self, path: Path) -> NDArray[np.uint8] | None:
        try:
            return read_image(path, self.image_shape)
        except ValueError as error:
            if self.broken == "refuse":
                raise ValueError(f"{error}; data.source.broken=skip leaves it out") from error
            log.warning(f"skipped: {error}")
            return None


def netpbm(image_shape: Sequence[int]) -> bytes:
    """What a binary Netpbm file (PGM, PPM) of 8 bits begins with; after it come the pixels as they are."""
    channels, height, width = image_shape
    return f"P{5 if channels == 1 else 6}\n{width} {height}\n255\n".encode()


def read_image(source: Path | BytesIO, image_shape: Sequence[int]) -> NDArray[np.uint8]:
    """One image [height, width, channels]: the shorter side resized, the middle cut out, grey or RGB.

    Raises:
        ValueError: If the file can't be read as an image.
    """
    from PIL import Image, ImageOps

    channels, height, width = image_shape
    try:
        with Image.open(source) as opened:
            opened.load()
            image: Image.Image = ImageOps.exif_transpose(opened) if opened.info and opened.getexif() else opened
            if image.mode.startswith("I;16"):  # Pillow would clip 16 bits to 8
                image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
            mode = "L" if channels == 1 else "RGB"
            image = image if image.mode == mode else image.convert(mode)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        name = source if isinstance(source, Path) else "it"
        raise ValueError(f"{name} can't be read as an image: {error}") from error
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    # As np.array(image), but for its ado, which is a twentieth of a small one's time.
    return np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, channels).copy()
