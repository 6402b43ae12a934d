"""Figures of a run: what is in them, and when there are none."""

from pathlib import Path

import numpy as np

from litmus.loggers.csv import MetricsFile
from litmus.report import MOST_NAMED, confusion_matrix, learning_curves, pictures


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
