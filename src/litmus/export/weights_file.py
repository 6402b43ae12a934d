"""model.safetensors, the network's weights alone, and config.json, what the network is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from litmus.build import build_module
from litmus.export.whole import Whole
from litmus.inference import Predictor

NAME = "model.safetensors"


def write(predictor: Predictor, facts: dict[str, Any], folder: Path) -> None:
    """Writes both files; the names of the weights are those of the network's own `state_dict`."""
    from safetensors.torch import save_file

    weights = {name: tensor.contiguous().clone() for name, tensor in predictor.module.net.state_dict().items()}
    save_file(weights, folder / NAME)
    model = OmegaConf.to_container(predictor.config.model)
    (folder / "config.json").write_text(json.dumps(model, indent=2) + "\n")


def read(folder: Path, predictor: Predictor, facts: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    """The network built anew, with the weights of the file, as a function of inputs."""
    from safetensors.torch import load_file

    module = build_module(predictor.config)
    if "target_mean" in facts:
        module.target_mean.copy_(torch.tensor(facts["target_mean"]))
        module.target_std.copy_(torch.tensor(facts["target_std"]))
    module.net.load_state_dict(load_file(folder / NAME))
    return torch.inference_mode()(Whole(module.eval(), facts))
