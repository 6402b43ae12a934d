"""Where texts come from: the files of each split, and how they are read."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from litmus.data.remote import Remote
from litmus.data.texts.records import Reader, Record, check_encodings

log = logging.getLogger(__name__)

NAMED = 5  # broken records that are named; the rest are counted


class TextSource:
    """Records of `train`, `validation` and `test`.

    Args:
        name: Of the data set, for people.
        folder: Under the data root; "" for the root itself.
        train: Files or folders of the training split.
        validation: The same of the published validation split; none, if it is to be cut from training.
        test: The same of the test split; none, if it is to be cut from training.
        download: Where missing files come from; None if nowhere.
        encodings: Tried in this order for each line, or each file of a folder.
        broken: Whether a record that can't be read is skipped or refused; it is named in either case.
    """

    def __init__(
        self,
        name: str,
        folder: str,
        train: Sequence[str],
        validation: Sequence[str],
        test: Sequence[str],
        reader: Reader,
        download: Remote | None,
        encodings: Sequence[str],
        broken: Literal["skip", "refuse"],
    ) -> None:
        check_encodings(encodings)
        self.name, self.folder, self.reader, self.download = name, folder, reader, download
        self.names = {"train": list(train), "validation": list(validation), "test": list(test)}
        self.encodings, self.broken = list(encodings), broken

    def has(self, split: str) -> bool:
        """Whether the split is published."""
        return bool(self.names[split])

    def prepare(self, root: Path) -> None:
        """Downloads what is missing.

        Raises:
            FileNotFoundError: If it can't be, or there is nowhere to download it from.
        """
        wanted = [name for names in self.names.values() for name in names]
        if self.download is not None:
            self.download.fetch(self.name, root / self.folder, wanted)
        for path in (root / self.folder / name for name in wanted):
            if not path.exists():
                raise FileNotFoundError(f"{path} is not there: {self.name} needs it")

    def read(self, root: Path, split: str, counts: Counter[str] | None) -> Iterator[Record]:
        """The records that can be read.

        Args:
            counts: Where the others are counted as `broken`, and then the first of them are named; None keeps silent.

        Raises:
            ValueError: For a broken record, if those are refused.
        """
        for path in self._paths(root, split):
            for record in self.reader.read(path, self.encodings):
                if record.broken is None:
                    yield record
                    continue
                if self.broken == "refuse":
                    raise ValueError(f"{record.where} can't be read: {record.broken}; broken=skip leaves it out")
                if counts is not None:
                    counts["broken"] += 1
                    if counts["broken"] <= NAMED:
                        log.warning(f"skipped: {record.where}: {record.broken}")

    def state(self, root: Path) -> str:
        """16 hexadecimal digits for the state of all files and the way they are read."""
        files = [path for split in self.names for top in self._paths(root, split) for path in self.reader.files(top)]
        stats = [(str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in files]
        how: list[Any] = [self.names, vars(self.reader), self.encodings, self.broken]
        return hashlib.sha256(json.dumps([str(root.resolve()), how, stats]).encode()).hexdigest()[:16]

    def _paths(self, root: Path, split: str) -> list[Path]:
        return [root / self.folder / name for name in self.names[split]]
