"""What the network beside this file says of new examples, as CSV: python predict.py FILE ...

It takes numpy, and onnxruntime for model.onnx or torch for model.pt2, Pillow for images, tokenizers for texts. It needs
nothing but its folder: change it as you like.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
FACTS = json.loads((HERE / "preprocessing.json").read_text(encoding="utf-8"))
BATCH = 64
TOKENS = 100  # that a language model goes on with


def images(path: Path) -> Iterator[tuple[str, Any]]:
    """Pixels [height, width, channels] of an image file: the shorter side resized, the middle cut out, grey or RGB."""
    from PIL import Image, ImageOps

    channels, height, width = FACTS["image_shape"]
    image: Any = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    yield str(path), np.asarray(image, np.uint8).reshape(height, width, channels)


def texts(path: Path) -> Iterator[tuple[str, Any]]:
    """Ids [length] of each line of a file."""
    for name, ids in lines(path):
        ids, longest = ids or [FACTS["empty"]], FACTS["max_length"]
        if len(ids) > longest:
            ids = [*ids[: longest - 1], ids[-1]] if FACTS["framed"] else ids[:longest]
        yield name, np.array(ids, np.int64)


def lines(path: Path) -> Iterator[tuple[str, list[int]]]:
    """All ids of each line of a file."""
    left_out = set(FACTS["left_out"])
    for number, line in enumerate(decoded(path.read_bytes()).split("\n"), 1):
        if line.strip():
            ids = tokenizer().encode(line.rstrip("\r")).ids
            yield f"{path}:{number}", [index for index in ids if index not in left_out]


@cache
def tokenizer() -> Any:
    """From text to ids, and back."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    found.encode_special_tokens = True  # what looks like one in a text is text
    return found


def decoded(file: bytes) -> str:
    """Its text, by the first encoding that fits."""
    for encoding in FACTS["encodings"]:
        try:
            return file.decode(encoding)
        except UnicodeDecodeError:
            continue
    sys.exit(f"the file is not in {' or '.join(FACTS['encodings'])}")


def numbers(path: Path) -> Iterator[tuple[str, Any]]:
    """Numbers [steps, channels] of each line of a CSV, which begins with names where the columns have some; of a series
    to forecast, its last steps."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = [cells for cells in csv.reader(file) if cells]
    head = lines.pop(0) if FACTS["columns"] else []
    places = [head.index(name) for name in FACTS["columns"]] if head else range(len(lines[0]))
    values = np.array([[float(cells[place]) for place in places] for cells in lines], np.float32)
    if not np.isfinite(values).all():
        sys.exit(f"{path} has values that are missing, or not finite: fill them first")
    if FACTS["kind"] == "forecast":
        yield f"{path} row {len(values)}", values[-FACTS["shape"][0] :]
    else:
        for number, row in enumerate(values, 2 if head else 1):
            yield f"{path}:{number}", row.reshape(FACTS["shape"])


def tokens(path: Path) -> Iterator[tuple[str, Any]]:
    """The ids on each line of a CSV."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        yield f"{path}:{number}", np.array(line.split(","), np.int64)


READERS = {
    "image": images, "text": texts, "language": lines, "numbers": numbers, "forecast": numbers, "tokens": tokens
}  # fmt: skip


def batch(examples: Sequence[Any]) -> Any:
    """Examples side by side; shorter texts are filled up behind."""
    if FACTS["kind"] != "text":
        return np.stack(examples)
    rows = np.full((len(examples), max(map(len, examples))), FACTS["padding"], np.int64)
    for row, ids in zip(rows, examples, strict=True):
        row[: len(ids)] = ids
    return rows


def network() -> Callable[[Any], Any]:
    """From a batch to its predictions."""
    if (HERE / "model.onnx").exists():
        import onnxruntime

        session = onnxruntime.InferenceSession(HERE / "model.onnx", providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(None, {"inputs": inputs})[0]
    import torch

    program = torch.export.load(HERE / "model.pt2").module()
    return lambda inputs: program(torch.from_numpy(inputs)).detach().numpy()


def rows(prediction: Any) -> list[list[Any]]:
    """What is predicted of one example, in words."""
    if "labels" in FACTS:
        return [[FACTS["labels"][prediction.argmax()], prediction.max()]]
    if FACTS["kind"] == "forecast":
        return [[step, *values] for step, values in enumerate(prediction, 1)]
    return [list(prediction)]


def continued(ids: list[int], predict: Callable[[Any], Any]) -> str:
    """A text, and the likeliest tokens after it."""
    for _ in range(TOKENS):
        seen = ids[-FACTS["context"] :] if FACTS["context"] else ids
        ids = [*ids, int(predict(np.array([seen]))[0, -1, : FACTS["vocabulary"]].argmax())]
    return str(tokenizer().decode(ids, skip_special_tokens=False))


def main() -> None:
    table, predict = csv.writer(sys.stdout, lineterminator="\n"), network()
    table.writerow(["example", *FACTS["predictions"]])
    examples = [pair for path in sys.argv[1:] for pair in READERS[FACTS["kind"]](Path(path))]
    if FACTS["kind"] == "language":
        table.writerows([name, continued(ids, predict)] for name, ids in examples if ids)
        return
    for start in range(0, len(examples), BATCH):
        names, inputs = zip(*examples[start : start + BATCH], strict=True)
        for name, prediction in zip(names, predict(batch(inputs)), strict=True):
            for row in rows(prediction):
                table.writerow([name, *(value if isinstance(value, str | int) else f"{value:.6g}" for value in row)])


if __name__ == "__main__":
    main()
