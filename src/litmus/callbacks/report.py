"""For people who would rather look: figures/ and report.html, made when the test is over."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torchmetrics import Metric

from litmus.report import confusion_matrix, learning_curves, mistakes, write_page


class Report(Callback):
    """Collects what the figures need while the test runs, and draws them.

    Args:
        run_dir: The run's folder.
        shown: Number of most confident mistakes to show.
    """

    def __init__(self, run_dir: str, shown: int) -> None:
        self.folder, self.shown = Path(run_dir), shown
        self.worst: list[tuple[float, Tensor, int, int]] = []  # confidence, image, label, prediction

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Sequence[Tensor],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        inputs, labels = batch
        confidence, predicted = outputs.softmax(1).max(1)
        wrong = (predicted != labels).nonzero().flatten()
        top = wrong[confidence[wrong].argsort(descending=True)[: self.shown]]
        found = zip(
            confidence[top].tolist(), inputs[top].cpu(), labels[top].tolist(), predicted[top].tolist(), strict=True
        )
        self.worst = sorted([*self.worst, *found], key=lambda item: -item[0])[: self.shown]

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        counts = cast(Metric, pl_module.confusion).compute().cpu().numpy()  # of all ranks, so on all of them
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        pictures = [data.picture(image) for _, image, _, _ in self.worst]
        titles = [f"{data.classes[p]}, not {data.classes[t]}\n{c:.0%} sure" for c, _, t, p in self.worst]
        figures = {
            "learning curves": learning_curves(self.folder / "metrics.csv"),
            "confusion matrix": confusion_matrix(counts, data.classes),
            "most confident mistakes": mistakes(pictures, titles),
        }
        write_page(self.folder, {title: figure for title, figure in figures.items() if figure is not None})
