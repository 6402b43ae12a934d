"""Whether what was written predicts as its run does: on real examples, those of the run's test split."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from litmus.inference import Predictor

LIMIT = 1e-4  # of a difference, in the largest prediction where that is more than 1


def difference(predict: Callable[[Tensor], Tensor], predictor: Predictor, count: int) -> tuple[int, float]:
    """How many examples were compared, and the largest difference of a prediction.

    Args:
        predict: What was written, as a function of a batch of inputs.
        count: The most examples.
    """
    found, largest = 0, 0.0
    for inputs in batches(predictor.data, count):
        here, there = reference(predictor, inputs), predict(inputs)
        gap = (here - there).abs().max() / here.abs().max().clamp(min=1)
        largest, found = max(largest, float(gap.nan_to_num(torch.inf))), found + len(inputs)
    return found, largest


def reference(predictor: Predictor, inputs: Tensor) -> Tensor:
    """What the run itself predicts of a batch, through its own data module, in the units of the data."""
    with torch.inference_mode():
        module, data = predictor.module, predictor.data
        predictions: Tensor = module.predictions(module(data.batch(list(inputs))))
        return data.scale.undo(predictions) if hasattr(data, "horizon") else predictions


def batches(data: Any, count: int) -> Iterator[Tensor]:
    """The first examples of the test split, as they are before any preprocessing but a tokenizer's."""
    data.trainer = Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
    data.prepare_data()
    data.setup("test")
    for inputs, _ in data.test_dataloader():
        if count <= 0:
            return
        yield (data.scale.undo(inputs) if hasattr(data, "scale") else inputs)[:count]
        count -= len(inputs)
