"""What a trained run can do: be tested again, and predict. Its folder is all that is needed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import Trainer

from litmus.build import build_data, build_module, quieten_lightning
from litmus.checkpoint import read_checkpoint
from litmus.data.image_folder import read_image
from litmus.folder import checkpoint_path
from litmus.snapshot import apply_overrides, load_config

BATCH = 64  # images predicted at once


def evaluate(folder: Path, overrides: Sequence[str]) -> dict[str, float]:
    """Metrics of the best checkpoint on the test split.

    Args:
        overrides: Values of the run's configuration to change, such as `data.root=DIR`.
    """
    config = load_config(folder)
    apply_overrides(config, overrides)
    module, data = load_module(config, folder), build_data(config)
    trainer = Trainer(
        accelerator=config.trainer.accelerator,
        devices=1,
        precision=config.trainer.precision,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.test(module, data, verbose=False)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def predict(folder: Path, files: Sequence[Path]) -> Iterator[tuple[Path, str, float]]:
    """File, most probable class, its probability.

    Raises:
        ValueError: If a file can't be read as an image.
    """
    config = load_config(folder)
    module, data = load_module(config, folder).eval(), build_data(config)
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        images = torch.stack([torch.from_numpy(read_image(path, data.image_shape)) for path in batch])
        with torch.inference_mode():
            probabilities = module(data.normalise(images)).softmax(1)
        for path, row in zip(batch, probabilities, strict=True):
            yield path, data.classes[int(row.argmax())], float(row.max())


def load_module(config: DictConfig, folder: Path) -> Any:
    """The run's module with the weights of its best checkpoint, or the last if nothing was validated, on the CPU."""
    quieten_lightning()
    best, last = checkpoint_path(folder, "best"), checkpoint_path(folder, "last")
    checkpoint = read_checkpoint(best if best.exists() else last)
    module = build_module(config)
    module.load_state_dict(checkpoint["state_dict"])
    return module
