"""What a trained run can do: be tested again, and predict. Its folder is all that is needed."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import Trainer
from torch import Tensor

from litmus.build import build_data, build_module, quieten_lightning
from litmus.checkpoint import read_checkpoint
from litmus.folder import best_or_newest, exported
from litmus.snapshot import apply_overrides, load_config

BATCH = 64  # examples predicted at once


def evaluate(folder: Path, overrides: Sequence[str]) -> dict[str, float]:
    """Metrics of the best checkpoint on the test split.

    Args:
        overrides: Values of the run's configuration to change, such as `data.root=DIR`.
    """
    config = load_config(folder)
    apply_overrides(config, overrides)
    module, data = load(config, folder)
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


class Predictor:
    """A run that predicts, with the weights of its best checkpoint.

    Args:
        overrides: Values of the run's configuration to change, such as `data.root=DIR`.

    Attributes:
        config: Of the run.
        module: Its task, in evaluation mode.
        data: Its data module.
    """

    def __init__(self, folder: Path, overrides: Sequence[str] = ()) -> None:
        self.config = load_config(folder)
        apply_overrides(self.config, overrides)
        self.module, self.data = load(self.config, folder)
        self.module.eval()

    @property
    def columns(self) -> list[str]:
        """Names of the values in a row."""
        return list(self.module.columns(self.data))

    def rows(self, examples: Sequence[Tensor]) -> list[list[list[Any]]]:
        """The rows of each example: one, or one for each step that is forecast."""
        found = []
        for start in range(0, len(examples), BATCH):
            with torch.inference_mode():
                outputs = self.module(self.data.batch(examples[start : start + BATCH]))
                found += [self.module.rows(one, self.data) for one in self.module.predictions(outputs)]
        return found


def of_examples(folder: Path) -> Predictor:
    """One whose data module reads examples.

    Raises:
        ValueError: If the run is of another kind.
    """
    predictor = Predictor(folder)
    if not hasattr(predictor.data, "examples"):
        raise ValueError(f"{folder.name} is a language model, which goes on with a text: litmus generate {folder.name}")
    return predictor


def predict(folder: Path, files: Sequence[Path]) -> Iterator[Sequence[str]]:
    """A table of what the run says of the examples in some files, its header first.

    Raises:
        ValueError: If a file can't be read as such examples, or the run is of a kind that predicts nothing.
    """
    predictor = of_examples(folder)
    yield ["example", *predictor.columns]
    examples = (example for path in files for example in predictor.data.examples(path))
    while some := list(islice(examples, BATCH)):
        names, inputs = zip(*some, strict=True)
        for name, rows in zip(names, predictor.rows(inputs), strict=True):
            yield from ([name, *map(in_words, row)] for row in rows)


def in_words(value: Any) -> str:
    """A value of a table: numbers to six digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def load(config: DictConfig, folder: Path) -> tuple[Any, Any]:
    """The run's module with the weights of its best checkpoint, the newest if nothing was validated, or what was
    exported if there is none, on the CPU, and its data module with what it learned from the training data."""
    quieten_lightning()
    path = best_or_newest(folder) or exported(folder)
    if not path.exists():
        raise ValueError(f"{folder.name} has no checkpoint: it ended before one was written")
    checkpoint = read_checkpoint(path)
    module, data = build_module(config), build_data(config)
    module.load_state_dict(checkpoint["state_dict"])
    if type(data).__qualname__ in checkpoint:  # where Lightning keeps it
        data.load_state_dict(checkpoint[type(data).__qualname__])
    return module, data
