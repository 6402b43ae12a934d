"""Language modelling: cross-entropy of the next token, perplexity, bits per character."""

import math
from typing import Any, cast

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from litmus.ranks import mean_of
from litmus.tasks.task import Batch, Optimizer, Schedule, Task

NONE = -100  # torch's own word for a target that does not count


class LanguageModelling(Task):
    """Trains a network that gives a row of logits for every token, and the state that it ends in.

    Args:
        net: From tokens [batch, length] and a state to (logits [batch, length, vocabulary], state); None is the state
            at the start, and that of a network without one.
        optimizer: From parameters to a torch optimizer.
        schedule: From (step, number of steps) to the factor on the optimizer's learning rate.
        carry: Whether a batch goes on where the last one ended, so that the state is kept, without its gradient.
    """

    def __init__(self, net: nn.Module, optimizer: Optimizer, schedule: Schedule, carry: bool) -> None:
        super().__init__(net, optimizer, schedule, {})
        self.carry = carry
        self.state: dict[str, Any] = {"train": None}  # by stage

    def forward(self, tokens: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length vocabulary"]:
        return cast(Tensor, self.net(tokens)[0])

    def columns(self, data: Any) -> list[str]:
        return ["text"]

    def predictions(
        self, outputs: Float[Tensor, "batch length vocabulary"]
    ) -> Float[Tensor, "batch length vocabulary"]:
        """Logarithms of the probabilities of what comes after each token: most of these are close to 0."""
        return outputs.log_softmax(2)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        total, count = self._total("train", batch)
        loss = total / (mean_of(count) if self.carry else count)  # some rows of streams end before others
        self.add("loss", loss, 1)
        return loss

    def judge(self, stage: str, batch: Batch) -> tuple[Tensor, Tensor, Tensor, int]:
        tokens, targets = batch
        total, count = self._total(stage, batch)
        return tokens, targets, total / count.clamp(min=1), int(count)

    def derive(self, stage: str, loss: Tensor) -> dict[str, Tensor]:
        characters: float = self.trainer.datamodule.characters_per_token(stage)  # type: ignore[attr-defined]
        return {
            f"{stage}/perplexity": loss.exp(),
            f"{stage}/bits_per_character": loss / math.log(2) / characters,
        }

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self.state["train"] = None

    def carried(self) -> dict[str, Any]:
        return {**super().carried(), "state": self.state["train"]}

    def carry_on(self, carried: dict[str, Any]) -> None:
        super().carry_on(carried)
        self.state["train"] = carried["state"]

    def on_validation_epoch_start(self) -> None:
        self.state["val"] = None

    def on_test_epoch_start(self) -> None:
        self.state["test"] = None

    def _total(self, stage: str, batch: Batch) -> tuple[Tensor, Tensor]:
        """Sum over the tokens that count, and how many do: a target `NONE` is none, and a rank may have no other."""
        tokens, targets = batch
        logits, state = self.net(tokens, self.state[stage])
        if self.carry and state is not None:
            self.state[stage] = tuple(part.detach() for part in state)
        total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=NONE, reduction="sum")
        return total, (targets != NONE).sum()
