"""What is made from files once and kept: whole or not there, and made by one process only."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from litmus.data.download import only_one


def key_of(facts: Any) -> str:
    """16 hexadecimal digits for plain values."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def build_once(folder: Path, build: Callable[[Path], None]) -> None:
    """Has a folder filled beside its final name, and renames it when it is whole. A second process waits for the first;
    what a killed one left behind is removed."""
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with only_one(folder):
        if folder.exists():
            return
        partial = folder.with_name(f".building-{folder.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            build(partial)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
