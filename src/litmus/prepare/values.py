"""From what stands in a file to a value of a column, or the reason why it is none."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from litmus.prepare.clean import STEPS
from litmus.prepare.config import Column

Convert = Callable[[Any], Any]


class RejectedError(Exception):
    """A record that can't be kept: a word for the reason, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def converter(
    name: str,
    column: Column,
    steps: Sequence[str],
    values: Mapping[str, Any],
    factor: float,
    pixels: Sequence[int] | None,
) -> Convert:
    """A function from what a source has to a value of the column.

    Args:
        steps: Of a text, if the column does not say others.
        values: From a source's words to the column's.
        factor: From a source's unit to the column's.
        pixels: Channels, height and width of images that are kept decoded; None keeps files as they are.

    Raises:
        RejectedError: By the function, for a value that is none.
    """
    limits = _limits(name, column)
    mapped = {str(theirs): ours for theirs, ours in values.items()}

    def look_up(value: Any) -> Any:
        return mapped.get(plain(value), value) if mapped else value

    if column.type == "text":
        functions = [STEPS[step] for step in (steps if column.clean is None else column.clean)]

        def text(value: Any) -> str:
            found = plain(look_up(value))
            for function in functions:
                found = function(found)
            _check_writable(name, found)
            limits(len(found))
            return found

        return text
    if column.type in ("label", "category"):
        known = None if column.values is None else {value: index for index, value in enumerate(column.values)}

        def word(value: Any) -> Any:
            found = plain(look_up(value)).strip()
            _check_writable(name, found)
            if known is not None and found not in known:
                raise RejectedError(
                    "class" if column.type == "label" else "range", f"{name}={found} is none of its values"
                )
            return known[found] if known is not None and column.type == "label" else found

        return word
    if column.type == "image":
        return lambda value: _image(name, value, pixels)
    if column.type == "time":
        return lambda value: _time(name, look_up(value))

    def number(value: Any) -> Any:
        try:
            found = float(look_up(value)) * factor
        except (TypeError, ValueError) as error:
            raise RejectedError("type", f"{name}={value} is not a number") from error
        if not math.isfinite(found) or (column.type == "integer" and not found.is_integer()):
            wanted = "whole" if column.type == "integer" else "finite"
            raise RejectedError("type", f"{name}={value} is not a {wanted} number")
        limits(found)
        return int(found) if column.type == "integer" else found

    return number


def plain(value: Any) -> str:
    """A value as a table would show it: JSON and Parquet have 1.0 and true where CSV has 1 and true."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _check_writable(name: str, text: str) -> None:
    """JSON can have halves of characters, which no encoding has."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RejectedError("encoding", f"{name} has half a character: {error}") from error


def _limits(name: str, column: Column) -> Callable[[int | float], None]:
    """Refuses a number, or a text of so many characters, that is not within the column's limits."""
    low = -math.inf if column.min is None else column.min
    high = math.inf if column.max is None else column.max
    reason, said = ("length", f"{name} has {{:g}} characters") if column.type == "text" else ("range", f"{name}={{:g}}")

    def check(found: int | float) -> None:
        if not low <= found <= high:
            limit = f"fewer than {low:g}" if found < low else f"more than {high:g}"
            raise RejectedError(reason, f"{said.format(found)}, {limit}")

    return check


def _time(name: str, value: Any) -> datetime:
    """A moment in UTC: ISO 8601, or seconds since 1970."""
    try:
        if isinstance(value, datetime):
            found = value
        else:
            text = plain(value).strip()
            found = datetime.fromtimestamp(float(text), UTC) if _is_number(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise RejectedError("type", f"{name}={value} is not a time: ISO 8601, or seconds since 1970") from error
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) != 8 or not text.isdigit()  # 20240131 is a date


def _image(name: str, value: Any, pixels: Sequence[int] | None) -> bytes:
    from PIL import Image

    from litmus.data.images.image_folder import netpbm, read_image

    try:
        if pixels is not None:
            return netpbm(pixels) + read_image(io.BytesIO(value), pixels).tobytes()
        with Image.open(io.BytesIO(value)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError) as error:
        raise RejectedError("image", f"{name} can't be read as an image: {error}") from error
    return bytes(value)
