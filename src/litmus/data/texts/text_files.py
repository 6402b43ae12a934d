"""The user's own texts, in whatever format they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from litmus.data.texts.records import AnyFormat
from litmus.data.texts.text_data import TextData
from litmus.data.texts.text_source import TextSource


def text_files(
    path: str,
    test_path: str | None,
    text: str | Sequence[str] | None,
    label: str | None,
    encodings: Sequence[str],
    broken: Literal["skip", "refuse"],
    **more: Any,
) -> TextData:
    """Texts for training, validation and testing out of one file or folder, or two.

    Args:
        path: A CSV, TSV, JSON lines or Parquet table, `.txt` with `label text` lines, or a folder of class folders.
        test_path: The same, of the test texts; None holds a share of the others out.
        text: Columns that make up the text; None for the one with a usual name, or the only one left.
        label: Column of the label; None for the one with a usual name.
        more: What TextData takes.
    """
    source = TextSource(
        name=Path(path).name,
        folder="",
        train=[path],
        validation=[],
        test=[] if test_path is None else [test_path],
        reader=AnyFormat(text, label),
        download=None,
        encodings=encodings,
        broken=broken,
    )
    return TextData(source, **more)
