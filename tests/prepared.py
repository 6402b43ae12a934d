"""Made-up data as `litmus prepare` leaves them: texts, images and tables in small blocks and shards."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from litmus.data.shards.writer import ShardWriter

SIZES = {"train": 120, "validation": 24, "test": 30}
BLOCK = 8  # rows
WORDS = ["film", "plot", "actor", "scene", "music", "light", "sound", "story"]


def write_prepared(
    folder: Path,
    splits: Mapping[str, Any],
    kind: str,
    inputs: Sequence[str],
    target: str | None,
    classes: Sequence[str] | None,
    image_shape: Sequence[int] | None = None,
    block_rows: int = BLOCK,
    target_bytes: int = 1500,
) -> None:
    """Writes `pyarrow.Table`s, and their manifest."""
    entries = {}
    for split, table in splits.items():
        writer = ShardWriter(folder, split, target_bytes, block_rows, table.schema)
        writer.write(table)
        entries[split] = {"rows": len(table), "fingerprint": f"{len(table):016x}", "shards": writer.close()}
    statistics = {
        name: {"mean": float(values.mean()), "std": float(values.std())}
        for name in splits["train"].column_names
        if splits["train"][name].type in ("double", "int64")
        for values in [splits["train"][name].to_numpy()]
    }
    manifest = {
        "format": 1,
        "name": folder.name,
        "fingerprint": "0" * 16,
        "kind": kind,
        "inputs": list(inputs),
        "target": target,
        "classes": classes,
        "image_shape": image_shape,
        "block_rows": block_rows,
        "statistics": statistics,
        "splits": entries,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def text_rows(count: int, seed: int) -> Any:
    """The second word tells the class; each text says which one it is."""
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    texts = [f"the word{row % 2} " + " ".join(rng.choice(WORDS, rng.integers(1, 30))) for row in range(count)]
    lengths, labels = [len(text) for text in texts], [row % 2 for row in range(count)]
    return pa.table(
        {"text": texts, "text_length": pa.array(lengths, pa.int32()), "label": pa.array(labels, pa.int32())}
    )


def image_rows(count: int, seed: int, side: int = 8) -> Any:
    """Noise; the brighter ones are of the second class."""
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 128, (count, side, side, 3), dtype=np.uint8)
    pixels[1::2] += 100
    labels = [row % 2 for row in range(count)]
    return pa.table({"image": [png(image) for image in pixels], "label": pa.array(labels, pa.int32())})


def png(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def table_rows(count: int, seed: int) -> Any:
    """The row's number, noise, and what follows from both."""
    import pyarrow as pa

    noise = np.random.default_rng(seed).normal(size=count)
    rows = np.arange(count)
    price = 3 * noise - rows / count
    kind = pa.array((noise > 0).astype(np.int32))
    return pa.table({"row": rows, "noise": noise, "price": price, "kind": kind, "_row": rows})


def write_texts(folder: Path, **sizes: int) -> list[str]:
    splits = {name: text_rows(count, seed) for seed, (name, count) in enumerate((sizes or SIZES).items())}
    write_prepared(folder, splits, "text", ["text"], "label", ["no", "yes"])
    return [f"data.path={folder}"]


def write_images(folder: Path, **sizes: int) -> list[str]:
    splits = {name: image_rows(count, seed) for seed, (name, count) in enumerate((sizes or SIZES).items())}
    write_prepared(folder, splits, "image", ["image"], "label", ["dark", "bright"], [3, 8, 8])
    return [f"data.path={folder}"]


def write_numbers(folder: Path, classes: bool = False, **sizes: int) -> list[str]:
    splits = {name: table_rows(count, seed) for seed, (name, count) in enumerate((sizes or SIZES).items())}
    target, names = ("kind", ["low", "high"]) if classes else ("price", None)
    write_prepared(folder, splits, "table", ["row", "noise"], target, names, target_bytes=500)
    return [f"data.path={folder}", *([] if classes else ["task=regression"])]
