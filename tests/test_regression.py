"""Regression: standardised inside, its own units outside."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fakes import write_csv
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning import Trainer
from sklearn.metrics import r2_score
from torch import Tensor, nn

from litmus.build import build_data, build_module
from litmus.tasks.regression import Regression

Compose = Callable[..., DictConfig]


def task(composed: Compose, net: nn.Module, targets: int = 1) -> Regression:
    config = composed("data=diabetes", "model=mlp")
    return Regression(net, instantiate(config.optimizer), instantiate(config.schedule), targets)


def scaled(module: Regression, mean: list[float], std: list[float]) -> Regression:
    """As if it had been set up with training data like these."""
    data = SimpleNamespace(target_mean=torch.tensor(mean), target_std=torch.tensor(std))
    module.trainer = SimpleNamespace(datamodule=data)  # type: ignore[assignment]
    module.setup("fit")
    return module


def trainer(**more: Any) -> Trainer:
    return Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=0, **more,
    )  # fmt: skip


def test_predictions_are_in_the_units_of_the_targets_and_the_loss_is_not(composed: Compose) -> None:
    module = scaled(task(composed, nn.Identity(), 2), [100.0, -5.0], [10.0, 0.5])
    inputs = torch.tensor([[1.0, -2.0], [0.0, 4.0]])
    assert module(inputs).tolist() == [[110, -6], [100, -3]]
    targets = torch.tensor([[120.0, -6.0], [100.0, -3.0]])
    assert module.training_step((inputs, targets), 0).item() == pytest.approx(1 / 4)


def test_scores_are_those_of_scikit_learn_even_far_from_zero(composed: Compose) -> None:
    rng = np.random.default_rng(0)
    targets = 200_000 + rng.normal(size=(257, 2)) * [10, 1]
    outputs = (targets - 200_000) / [10, 1] + 0.3 * rng.normal(size=targets.shape)
    module = scaled(task(composed, nn.Identity(), 2), [200_000.0, 200_000.0], [10.0, 1.0])
    for start in range(0, 257, 64):
        rows = slice(start, start + 64)
        module.evaluate("val", tuple(torch.tensor(part[rows], dtype=torch.float32) for part in (outputs, targets)))  # type: ignore[arg-type]
    found = module.scores["val"].compute()  # type: ignore[operator]
    predictions = 200_000 + outputs * [10, 1]
    assert found["val/mse"].item() == pytest.approx(((predictions - targets) ** 2).mean(), rel=1e-3)
    assert found["val/mae"].item() == pytest.approx(np.abs(predictions - targets).mean(), rel=1e-3)
    assert found["val/r2"].item() == pytest.approx(r2_score(targets, predictions), abs=1e-3)


def test_callbacks_see_test_predictions_in_the_units_of_the_targets(composed: Compose) -> None:
    module = scaled(task(composed, nn.Identity()), [100.0], [10.0])
    inputs = torch.tensor([[1.0], [2.0]])
    assert module.test_step((inputs, inputs), 0).tolist() == module(inputs).tolist() == [[110], [120]]


def test_the_units_are_kept_with_the_weights(composed: Compose) -> None:
    state = scaled(task(composed, nn.Linear(1, 1)), [100.0], [10.0]).state_dict()
    module = task(composed, nn.Linear(1, 1))
    module.load_state_dict(state)
    assert module.target_mean.item() == 100 and module.target_std.item() == 10
    assert module.columns(None) == ["prediction"]
    assert module.rows(torch.tensor([2.5]), None) == [[2.5]]


def test_targets_that_are_not_counted_are_refused(composed: Compose) -> None:
    with pytest.raises(ValueError, match=r"task.targets=0 is not at least 1"):
        task(composed, nn.Identity(), 0)


class Sum(nn.Module):
    """Linear regression with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.weight * inputs.flatten(1).sum(1, keepdim=True)


def test_a_line_is_learned_whatever_the_units(composed: Compose, tmp_path: Path) -> None:
    rows = [(row, 1e6 + 1e4 * row) for row in range(60)]
    write_csv(tmp_path / "x.csv", [("x", "y"), *rows])
    config = composed(
        "data=table",
        "model=mlp",
        f"data.path={tmp_path}/x.csv",
        "data.target=y",
        "data.batch_size=8",
        "optimizer.lr=0.1",
    )
    data = build_data(config)
    module = Regression(Sum(), instantiate(config.optimizer), instantiate(config.schedule), 1)
    fit = trainer(max_epochs=20)
    fit.fit(module, data)
    assert fit.callback_metrics["train/loss"] < 0.01
    fit.test(module, data, verbose=False)
    found = fit.callback_metrics
    assert found["test/r2"] > 0.99 and found["test/loss"] < 0.01
    assert found["test/mse"] == pytest.approx(found["test/loss"].item() * module.target_std.item() ** 2, rel=1e-3)


def test_a_network_learns_from_the_patients(composed: Compose) -> None:
    config = composed("data=diabetes", "model=mlp", "optimizer.lr=0.01")
    torch.manual_seed(0)
    module = build_module(config)
    fit = trainer(max_epochs=8)
    fit.fit(module, build_data(config))
    assert fit.callback_metrics["val/r2"] > 0.3


def test_the_share_within_a_margin_is_counted_over_all_batches(composed: Compose) -> None:
    config = composed("data=diabetes", "model=mlp")
    parts = instantiate(config.optimizer), instantiate(config.schedule)
    module = Regression(nn.Identity(), *parts, targets=1, margin=0.5)
    within = module.scores["val"]["within"]
    for predictions, targets in (([0.0, 1.0, 2.0], [0.4, 1.6, 2.0]), ([3.0], [3.5])):
        within.update(torch.tensor(predictions), torch.tensor(targets))
    assert within.compute() == 0.5  # less than the margin, not as much
