"""Checkpoint files: whole or not there, and nothing but tensors and plain values."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the name, flushes to the disk, then renames: a kill leaves the old file or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".tmp")
        with open(partial, "wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def load_checkpoint(
        self, path: str | Path, map_location: Callable[..., Any] | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return _moved_to(Path(path).parent, read_checkpoint(Path(path)))


def _moved_to(folder: Path, checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Has Lightning's bookkeeping of the best checkpoint follow a run folder that was moved."""

    def here(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    for state in checkpoint.get("callbacks", {}).values():
        if "best_model_path" in state:
            state["dirpath"] = str(folder)
            state["best_k_models"] = {here(path): score for path, score in state["best_k_models"].items()}
            for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
                state[key] = here(state[key])
    return checkpoint


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU; no code in it is ever run.

    Raises:
        ValueError: If the file is damaged or holds anything but tensors and plain values.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"there is no checkpoint {path}") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"the checkpoint {path} can't be read, it is damaged or not one of ours: {reason}") from error
    return content
