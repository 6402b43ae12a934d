"""A compiled network leaves checkpoints that any other can go on from."""

import pytest
import torch
from conftest import Compose
from runs import last_run, newest, record
from torch import nn

from litmus.build import build_module
from litmus.inference import evaluate
from train import train


def test_a_compiled_run_is_tested_without_and_names_its_weights_alike(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    original = nn.Module.compile

    def eager(self: nn.Module) -> None:
        """Without generated code, which takes half a minute."""
        compiled.append(self)
        original(self, backend="eager")

    monkeypatch.setattr(nn.Module, "compile", eager)
    config = composed("compile=true", "model=mlp", "data.batch_size=256", "epochs=1")
    with torch.compiler.set_stance("eager_on_recompile"):
        train(config)
    folder = last_run(config)
    assert len(compiled) == 1 and list(newest(folder)["state_dict"]) == list(build_module(config).state_dict())
    found, before = evaluate(folder, []), record(folder)["metrics"]
    assert found["test/loss"] == pytest.approx(before["test/loss"], rel=1e-5) and len(compiled) == 1
