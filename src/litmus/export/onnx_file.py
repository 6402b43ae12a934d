"""model.onnx, for ONNX Runtime and whatever else reads the format, with the preprocessing in its metadata."""

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from litmus.export.recurrent import OnnxRecurrent, replaced
from litmus.export.whole import Whole

NAME = "model.onnx"
NEEDS = ("onnx", "onnxscript", "onnxruntime")


def write(whole: Whole, facts: dict[str, Any], folder: Path) -> None:
    """Writes the file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it says what is not installed, such as torchvision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            replaced(whole, OnnxRecurrent),
            (whole.example(),),
            input_names=["inputs"],
            output_names=["predictions"],
            dynamic_shapes=(whole.axes(),),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props["preprocessing"] = json.dumps(facts)
    program.save(folder / NAME)


def read(folder: Path) -> Callable[[Tensor], Tensor]:
    """The file as a function of inputs, run by ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / NAME, providers=["CPUExecutionProvider"])
    return lambda inputs: torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])
