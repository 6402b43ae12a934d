"""Examples as a request has them, by the kind of the data: the type in JSON, a sentence, and how they are read."""

import base64
import binascii
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from litmus.serve.limits import Limits

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM")  # that Pillow decodes by itself
Number = float | None
TYPES: dict[str, Any] = {
    "image": list[str],
    "text": list[str],
    "numbers": list[list[Number]],
    "forecast": list[list[list[Number]]],
    "tokens": list[list[Number]],
}
SENTENCES = {
    "image": f"an example is an image file ({', '.join(FORMATS)}) in base64",
    "text": "an example is a text",
    "numbers": "an example is a list of numbers, in the order of `columns`, or step by step; null is a gap",
    "forecast": "an example is a list of the last steps, each a list of numbers in the order of `columns`",
    "tokens": "an example is a list of numbers, as a line of the files for `litmus predict`",
}


def read(given: Sequence[Any], kind: str, data: Any, limits: Limits) -> list[Any]:
    """Tensors for the data module to batch.

    Raises:
        ValueError: For an example that can't be read, with its place from 0 on.
    """
    examples, pixels = [], 0
    for number, value in enumerate(given):
        try:
            if kind == "image":
                value = _file(value)
                pixels += _pixels(value)
                if pixels > limits.megapixels * 1_000_000:
                    raise ValueError(f"the images of a request have more than {limits.megapixels} megapixels")
            elif kind == "text" and len(value) > limits.characters:
                raise ValueError(f"the text has {len(value)} characters, more than {limits.characters}")
            examples.append(data.example(value))
        except ValueError as error:
            raise ValueError(f"examples.{number}: {error}") from error
    return examples


def _file(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"it is not base64 ({error})") from error


def _pixels(file: bytes) -> int:
    """How many an image has by its head, before any of them is decoded."""
    from PIL import Image

    try:
        with Image.open(BytesIO(file), formats=FORMATS) as image:
            return int(image.width * image.height)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"it can't be read as an image of {', '.join(FORMATS)}") from error
