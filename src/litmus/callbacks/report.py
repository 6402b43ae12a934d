"""For people who would rather look: figures/ and report.html, made when the test is over."""

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import torch
from matplotlib.figure import Figure
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torchmetrics import Metric

from litmus import report
from litmus.ranks import gather

Figures = dict[str, Figure | str | None]
Mistake = tuple[float, int, int, Tensor, int, int]  # confidence, batch, place in it, input, label, prediction
Numbers = tuple[int, Tensor, Tensor, Tensor]  # batch, inputs, predictions, targets


class Report(Callback):
    """Collects what the figures need while the test runs, and draws them.

    Args:
        run_dir: The run's folder.
        shown: Number of most confident mistakes to show.
    """

    def __init__(self, run_dir: str, shown: int) -> None:
        self.folder, self.shown = Path(run_dir), shown
        self.worst: list[Mistake] = []
        self.numbers: list[Numbers] = []  # of the first batches

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Sequence[Tensor],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if outputs is None:  # it counts on another rank
            return
        inputs, targets = batch
        number = batch_idx * trainer.world_size + trainer.global_rank  # of all batches
        if hasattr(pl_module, "confusion"):
            self._keep_worst(number, inputs, outputs, targets)
        elif targets.is_floating_point() and len(self.numbers) < self.shown:
            self.numbers.append((number, inputs.float().cpu(), outputs.float().cpu(), targets.float().cpu()))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        self.worst = sorted((each for some in gather(self.worst) for each in some), key=place_of)[: self.shown]
        self.numbers = sorted((each for some in gather(self.numbers) for each in some), key=itemgetter(0))[: self.shown]
        figures: Figures = {"learning curves": report.learning_curves(self.folder / "metrics.csv")}
        if hasattr(pl_module, "confusion"):
            counts = cast(Metric, pl_module.confusion).compute().cpu().numpy()  # of all ranks, so on all of them
            figures["confusion matrix"] = report.confusion_matrix(counts, data.classes)
            figures["most confident mistakes"] = self._mistakes(data)
        elif self.numbers:
            figures.update(self._numbers())
        if trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            report.write_page(self.folder, {title: part for title, part in figures.items() if part is not None})

    def _keep_worst(self, number: int, inputs: Tensor, logits: Tensor, labels: Tensor) -> None:
        confidence, predicted = logits.softmax(1).max(1)
        wrong = (predicted != labels).nonzero().flatten()
        top = wrong[confidence[wrong].argsort(descending=True)[: self.shown]]
        found = zip(
            confidence[top].tolist(),
            [number] * len(top),
            range(len(top)),
            inputs[top].cpu(),
            labels[top].tolist(),
            predicted[top].tolist(),
            strict=True,
        )
        self.worst = sorted([*self.worst, *found], key=place_of)[: self.shown]

    def _mistakes(self, data: Any) -> Figure | str | None:
        titles = [f"{data.classes[p]}, not {data.classes[t]}\n{c:.0%} sure" for c, *_, t, p in self.worst]
        inputs = [mistake[3] for mistake in self.worst]
        if hasattr(data, "picture"):
            return report.pictures([data.picture(image) for image in inputs], titles)
        if hasattr(data, "words"):
            return report.texts([data.words(tokens) for tokens in inputs], titles)
        return (
            report.curves([series.float().numpy() for series in inputs], titles)
            if inputs[:1] and inputs[0].is_floating_point()
            else None
        )

    def _numbers(self) -> Figures:
        _, every, *both = zip(*self.numbers, strict=True)
        predictions, targets = map(torch.cat, both)
        if targets.ndim == 3:
            inputs = torch.cat(every)
            chosen = range(0, len(targets), max(1, len(targets) // 4))[:4]
            return {
                "forecasts": report.forecasts(
                    [(inputs[i].numpy(), targets[i].numpy(), predictions[i].numpy()) for i in chosen]
                )
            }
        return {"predictions": report.scatter(predictions[:, 0].numpy(), targets[:, 0].numpy())}


def place_of(mistake: Mistake) -> tuple[float, int, int]:
    """The most confident first; among equals, the first in the test set."""
    return -mistake[0], mistake[1], mistake[2]
