"""For people who would rather look: figures/ and report.html, made when the test is over, or training without one, or
when either breaks off."""

from collections.abc import Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import torch
from matplotlib.figure import Figure
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchmetrics import Metric

from litmus import report
from litmus.attribution import attributions, surprises
from litmus.page import tokens as marked
from litmus.ranks import gather
from litmus.run_page import write_page
from litmus.signals import PRUNE, Stopped
from litmus.snapshot import load_config

Figures = dict[str, Figure | str | None]
Mistake = tuple[float, int, int, Tensor, int, int]  # confidence, batch, place in it, input, label, prediction
Numbers = tuple[int, Tensor, Tensor, Tensor]  # batch, inputs, predictions, targets
SURPRISE = 16.0  # bits, at which a token is marked most


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
        self.text: tuple[Tensor, Tensor] | None = None  # tokens [length] and targets [length] of a language model

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and not load_config(self.folder).test:
            self._write(trainer, {})

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
        elif targets.is_floating_point():
            if len(self.numbers) < self.shown:
                self.numbers.append((number, inputs.float().cpu(), outputs.float().cpu(), targets.float().cpu()))
        elif self.text is None:
            self.text = inputs[0].cpu(), targets[0].cpu()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        self.worst = sorted((each for some in gather(self.worst) for each in some), key=place_of)[: self.shown]
        self.numbers = sorted((each for some in gather(self.numbers) for each in some), key=itemgetter(0))[: self.shown]
        figures: Figures = {}
        if hasattr(pl_module, "confusion"):
            counts = cast(Metric, pl_module.confusion).compute().cpu().numpy()  # of all ranks, so on all of them
            figures["confusion matrix"] = report.confusion_matrix(counts, data.classes)
            figures["classes"] = report.per_class(counts, data.classes)
            if trainer.is_global_zero:
                figures["most confident mistakes"] = self._mistakes(pl_module, data)
        elif self.numbers:
            figures.update(self._numbers())
        elif self.text is not None and trainer.is_global_zero:
            figures["surprise, token by token"] = self._surprise(pl_module, data, *self.text)
        if trainer.is_global_zero:
            self._write(trainer, figures)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """What was seen until then; nothing that goes wrong here hides why it broke off."""
        pruned = isinstance(exception, Stopped) and exception.signum == PRUNE
        if trainer.is_global_zero and not pruned:
            with suppress(Exception):
                self._write(trainer, {}, exception)

    def _write(self, trainer: Trainer, figures: Figures, broken_by: BaseException | None = None) -> None:
        """The page, and the same for loggers that show figures."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        metrics = self.folder / "metrics.csv"
        figures = {"learning curves": report.learning_curves(metrics), **figures, "cost": report.costs(metrics)}
        shown = write_page(self.folder, {title: part for title, part in figures.items() if part is not None}, broken_by)
        for logger in trainer.loggers if broken_by is None else ():
            if hasattr(logger, "log_figures"):
                logger.log_figures(shown)

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

    def _mistakes(self, module: LightningModule, data: Any) -> Figure | str | None:
        """Each with what in it spoke for the class that was predicted, and against the true one."""
        if not self.worst:
            return None
        titles = [f"{data.classes[p]}, not {data.classes[t]}\n{c:.0%} sure" for c, *_, t, p in self.worst]
        inputs = [mistake[3] for mistake in self.worst]
        maps = self._maps(module, data, inputs)
        if hasattr(data, "picture"):
            return report.pictures([data.picture(image) for image in inputs], titles, maps)
        if hasattr(data, "words"):
            return report.texts([pieces(data, tokens) for tokens in inputs], titles, maps)
        return (
            report.curves([series.float().numpy() for series in inputs], titles, maps)
            if inputs[0].is_floating_point()
            else None
        )

    def _maps(self, module: LightningModule, data: Any, inputs: Sequence[Tensor]) -> report.Maps:
        """The shares of pixels, steps or tokens in predicted minus true logit; the largest of an example is 1."""
        batch = pad_sequence(list(inputs), batch_first=True, padding_value=getattr(data, "padding", 0))
        weights = torch.zeros(len(inputs), len(data.classes), device=module.device)
        for row, (*_, label, predicted) in enumerate(self.worst):
            weights[row, predicted], weights[row, label] = 1.0, -1.0
        found = attributions(module, batch.to(module.device), weights)
        return None if found is None else [(one / one.abs().max().clamp(min=1e-12)).numpy() for one in found]

    def _surprise(self, module: LightningModule, data: Any, tokens: Tensor, targets: Tensor) -> str | None:
        bits = surprises(module, tokens, targets)
        if bits is None:
            return None
        there = (targets >= 0).nonzero().flatten()[: report.LONGEST_TEXT]
        words = data.vocabulary.pieces(targets[there].tolist())
        mean = f"<p>The start of the test text; a token takes {bits[there].mean():.2f} bits, red ones the most.</p>"
        return mean + marked(words, (bits[there] / SURPRISE).tolist())

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


def pieces(data: Any, tokens: Tensor) -> list[str]:
    """A text in parts, one a token; in one part where the data know no other."""
    if getattr(data, "vocabulary", None) is None:
        return [data.words(tokens)]
    there: list[str] = data.vocabulary.pieces(tokens[tokens != data.padding][: report.LONGEST_TEXT].tolist())
    return there


def place_of(mistake: Mistake) -> tuple[float, int, int]:
    """The most confident first; among equals, the first in the test set."""
    return -mistake[0], mistake[1], mistake[2]
