"""The rows that are looked at one by one: the first of each shard, which lie in the order of a hash."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from litmus.prepare.mining.result import Result
from litmus.prepare.schema import PROVENANCE

ROWS = {"train": 20_000, "validation": 5_000, "test": 5_000}  # at most
LONGEST = 4_000  # characters of a text that are looked at
LARGEST = 4_000_000  # bytes of an image, above which it is not decoded
BATCH = 128  # rows that are held whole at once
SIDE = 16  # pixels of an image that are looked at, to each side


@dataclass
class Sample:
    """Rows of all splits; `values` are texts cut to `LONGEST`, or numbers [rows, inputs] (pixels of images, too)."""

    split: NDArray[Any]
    places: list[dict[str, Any]]
    labels: list[Any]
    lengths: NDArray[np.float64]
    texts: list[str] | None
    numbers: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def source(self) -> NDArray[Any]:
        return np.array([place["_source"] for place in self.places])


def take(result: Result) -> Sample:
    """The sample of a result; the same every time."""
    kind, inputs = result.manifest["kind"], result.manifest["inputs"]
    splits: list[str] = []
    places: list[dict[str, Any]] = []
    labels: list[Any] = []
    lengths: list[float] = []
    texts: list[str] = []
    numbers: list[Any] = []
    for split, row in _rows(result, inputs):
        splits.append(split)
        places.append({name: row[name] for name in PROVENANCE})
        labels.append(row.get(result.target) if result.target else None)
        if kind == "text":
            text = row[inputs[0]] or ""
            lengths.append(len(text))
            texts.append(text[:LONGEST])
        elif kind == "image":
            lengths.append(len(row[inputs[0]] or b""))
            numbers.append(pixels(row[inputs[0]]))
        else:
            lengths.append(0)
            numbers.append([np.nan if row[name] is None else float(row[name]) for name in result.numbers])
    return Sample(
        np.array(splits),
        places,
        labels,
        np.array(lengths, float),
        texts if kind == "text" else None,
        None if kind == "text" else np.array(numbers, np.float64).reshape(len(places), -1),
    )


def _rows(result: Result, inputs: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    wanted = [*dict.fromkeys([*inputs, *([result.target] if result.target else []), *PROVENANCE])]
    for split in result.splits:
        share = min(1.0, ROWS[split] / result.count(split))
        for shard in result.shards(split):
            with pq.ParquetFile(shard) as file:
                left = round(file.metadata.num_rows * share)
                for batch in file.iter_batches(BATCH, columns=wanted):
                    for row in batch.slice(0, left).to_pylist():
                        yield split, row
                    left -= min(left, len(batch))
                    if not left:
                        break


def pixels(content: bytes | None) -> NDArray[np.float64]:
    """An image in grey, small; nothing where it can't be read."""
    import io

    from PIL import Image

    if content is None or len(content) > LARGEST:
        return np.full(SIDE * SIDE, np.nan)
    with Image.open(io.BytesIO(content)) as image:
        small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float64).ravel() / 255
