"""Tokens on the disk: the ids of all texts one after the other in a file that is mapped, not read."""

import hashlib
import json
import mmap
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FORMAT = 1  # of what is written; another one is written anew
RELEASED = 64 << 20  # bytes mapped, after which they are given back to the system
AROUND = 64 << 10  # bytes that Linux maps around one that is read


class TokenStore:
    """Texts as runs of token ids in one mapped file, with a label each, and facts about how they came to be.

    Its memory does not grow with what has been read: now and then the mapped pages are given back, and stay in the
    system's cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
            self.starts: NDArray[np.int64] = np.load(folder / "starts.npy")  # of each text, and the end of the last
            self.labels = torch.from_numpy(np.load(folder / "labels.npy"))
            self.type = np.dtype(self.facts["type"])
            with open(folder / "ids.bin", "rb") as file:
                self.mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.ids: NDArray[Any] = np.frombuffer(self.mapped, self.type)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{folder} can't be read, delete {folder.parent} to have it made anew: {error}") from error
        self.read = 0

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return TokenStore, (self.folder,)  # a loader's worker maps the file for itself

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Tensor:
        """Tokens of each text."""
        return torch.from_numpy(np.diff(self.starts))

    def gather(self, starts: NDArray[np.int64], lengths: NDArray[np.int64], fill: int) -> Tensor:
        """Runs of ids [count, longest], filled up on the right."""
        offsets = np.arange(lengths.max(initial=1))
        inside = offsets < lengths[:, None]
        found = self.ids[np.where(inside, starts[:, None] + offsets, 0)].astype(np.int64)
        self.read += found.size * self.type.itemsize + len(found) * AROUND
        if self.read > RELEASED and hasattr(mmap, "MADV_DONTNEED"):
            self.mapped.madvise(mmap.MADV_DONTNEED)
            self.read = 0
        found[~inside] = fill
        return torch.from_numpy(found)


def write_store(
    folder: Path, texts: Iterable[tuple[list[int], int]], vocabulary: int, counts: Counter[str], name: str
) -> None:
    """Writes the ids of texts and their labels as they come; what is held in memory is a number or two a text.

    Args:
        vocabulary: Number of different tokens.
        counts: What was counted on the way; it is kept when all is written.
    """
    folder.mkdir(parents=True)
    kind = np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.uint32)
    lengths, labels, content = [], [], hashlib.sha256()
    with open(folder / "ids.bin", "wb") as file:
        for ids, label in texts:
            run = np.array(ids, kind).tobytes()
            content.update(run)
            file.write(run)
            lengths.append(len(ids))
            labels.append(label)
        if not file.tell():
            raise ValueError(f"{name} is empty: there is not one token in it")
    starts, known = np.cumsum([0, *lengths], dtype=np.int64), np.array(labels, np.int64)
    np.save(folder / "starts.npy", starts)
    np.save(folder / "labels.npy", known)
    content.update(starts.data)
    content.update(known.data)
    facts = {"name": name, "texts": len(labels), "tokens": int(starts[-1]), **counts}
    facts |= {"type": kind.name, "fingerprint": content.hexdigest()[:16]}
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
