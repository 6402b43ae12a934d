"""Figures of a run: what is in them, and when there are none."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from litmus.attribution import attributions
from litmus.loggers.csv import MetricsFile
from litmus.page import svg, tokens
from litmus.report import MOST_NAMED, confusion_matrix, costs, learning_curves, per_class, pictures


def test_curves_show_train_beside_val(tmp_path: Path) -> None:
    logger = MetricsFile(tmp_path / "metrics.csv")
    for step in (1, 2, 3):
        logger.log_metrics({"train/loss": 1 / step, "val/loss": 2 / step, "train/lr": 0.1}, step)
    figure = learning_curves(tmp_path / "metrics.csv")
    assert figure is not None
    (axes,) = figure.axes
    assert axes.get_title() == "loss"
    assert {line.get_label(): list(line.get_ydata()) for line in axes.lines} == {
        "train": [1.0, 1 / 2, 1 / 3],
        "val": [2.0, 1.0, 2 / 3],
    }
    assert learning_curves(tmp_path / "missing.csv") is None


def test_a_confusion_matrix_has_numbers_while_they_can_be_read() -> None:
    few = confusion_matrix(np.array([[3, 1], [0, 4]]), ["cat", "dog"])
    assert [text.get_text() for text in few.axes[0].texts] == ["3", "1", "", "4"]
    assert [label.get_text() for label in few.axes[0].get_yticklabels()] == ["cat", "dog"]
    many = confusion_matrix(np.eye(MOST_NAMED + 1, dtype=np.int64), [str(i) for i in range(MOST_NAMED + 1)])
    assert not list(many.axes[0].texts)


def test_mistakes_are_shown_as_they_are() -> None:
    figure = pictures([np.zeros((4, 4, 3), np.uint8)] * 7, [f"{i}" for i in range(7)])
    assert figure is not None and [axes.get_title() for axes in figure.axes if axes.images] == list("0123456")
    assert pictures([], []) is None


def test_throughput_and_memory_are_drawn_from_what_was_logged(tmp_path: Path) -> None:
    logger = MetricsFile(tmp_path / "metrics.csv")
    for step in (1, 2):
        logger.log_metrics(
            {"train/examples_per_second": 100.0 * step, "train/memory_gib": 0.5, "train/loss": 1.0}, step
        )
    figure = costs(tmp_path / "metrics.csv")
    assert figure is not None
    lines = {axes.get_title(): list(axes.lines[0].get_ydata()) for axes in figure.axes}
    assert lines == {"examples a second": [100.0, 200.0], "GiB of the process": [0.5, 0.5]}


def test_a_class_that_was_never_predicted_has_no_precision() -> None:
    text = re.sub("<[^>]+>", " ", per_class(np.array([[3, 1, 0], [2, 4, 0], [1, 1, 0]]), ["<a>", "b", "c"]))
    assert "<a>".replace("<", "&lt;").replace(">", "&gt;") in text
    rows = [line.split() for line in text.splitlines()]
    assert rows[1:] == [["&lt;a&gt;", "4", "0.5", "0.75", "0.6"], ["b", "6", "0.6667", "0.6667", "0.6667"],
                        ["c", "2", "-", "0", "0"]]  # fmt: skip


def test_a_figure_is_read_in_the_dark_too() -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label="line", color="black")
    axes.legend()
    picture = svg(figure)
    assert "currentColor" in picture and not re.search(r"#000000|fill: #ffffff", picture)


def test_marked_tokens_are_the_text() -> None:
    marked = tokens(["good", " <b>", " film"], [1.0, -0.5, 0.0])
    assert re.sub("<[^>]+>", "", marked) == "good &lt;b&gt; film"
    assert re.findall(r'class="(\w+)" style="--share:([\d.]+)', marked) == [
        ("plus", "1.00"), ("minus", "0.50"), ("minus", "0.00"),
    ]  # fmt: skip


class Linear(LightningModule):
    """Its logits are the sum of each of its two parts of an image, or of the vectors of tokens."""

    def __init__(self, embed: bool) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(3, 2)
        self.embedding.weight.data = torch.tensor([[0.0, 0.0], [1.0, 2.0], [-1.0, 5.0]])
        self.embed = embed

    def forward(self, inputs: Tensor) -> Tensor:
        if self.embed:
            return self.embedding(inputs).sum(1)
        return torch.stack([inputs[..., 0].sum((1, 2)), inputs[..., 1].sum((1, 2))], 1)


@pytest.mark.parametrize("embed", [False, True])
def test_attributions_add_up_to_the_logits_of_what_is_linear(embed: bool) -> None:
    module = Linear(embed)
    module.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with torch.inference_mode():
        inputs = torch.tensor([[1, 2, 0]]) if embed else torch.randn(1, 3, 4, 2)
        found = attributions(module, inputs, torch.tensor([[1.0, -1.0]]))
        first, second = module(inputs)[0]
    assert found is not None and found.shape == ((1, 3) if embed else (1, 4, 2))
    assert found.sum() == pytest.approx(float(first - second), abs=1e-5)
    if embed:
        assert found[0].tolist() == [-1.0, -6.0, 0.0]
