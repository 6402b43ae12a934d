"""model.pt2, a program that torch loads without the code that it was made from."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from litmus.export.recurrent import ScannedRecurrent, replaced
from litmus.export.whole import Whole

NAME = "model.pt2"
NEEDS = ()


def write(whole: Whole, facts: dict[str, Any], folder: Path) -> None:
    """Writes the file."""
    sizes = dict.fromkeys(whole.axes(), torch.export.Dim.DYNAMIC)
    with torch.no_grad():
        rolled = replaced(whole, ScannedRecurrent)
        program = torch.export.export(rolled, (whole.example(),), dynamic_shapes=(sizes,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about weights that are views
        torch.export.save(program, folder / NAME)


def read(folder: Path) -> Callable[[Tensor], Tensor]:
    """The file as a function of inputs."""
    program = torch.export.load(folder / NAME).module()

    def predict(inputs: Tensor) -> Tensor:
        with torch.inference_mode():
            predictions: Tensor = program(inputs)
            return predictions

    return predict
