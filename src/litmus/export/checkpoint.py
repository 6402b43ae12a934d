"""A run's best weights in one file of plain tensors, whatever they were trained on."""

from pathlib import Path

from litmus.checkpoint import AtomicCheckpointIO
from litmus.folder import exported
from litmus.inference import load
from litmus.snapshot import load_config


def join(folder: Path) -> Path:
    """Writes model.ckpt: the module's weights, and what its data module learned, such as a tokenizer; no optimizer.

    `evaluate` and `predict` take it where the run has no checkpoints.
    """
    module, data = load(load_config(folder), folder)
    learned = data.state_dict()
    content = {"state_dict": module.state_dict(), **({type(data).__qualname__: learned} if learned else {})}
    path = exported(folder)
    AtomicCheckpointIO().save_checkpoint(content, path)
    return path
