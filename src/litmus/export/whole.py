"""All of a run's prediction in one network: what stands before the run's own, that one, and what its outputs say."""

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

EXAMPLES, LENGTH = 2, 12  # of a batch to trace with; any other will do


class Whole(nn.Module):
    """Takes what a program has, and gives what a person asks for.

    Args:
        task: The run's own, in evaluation mode.
        facts: What the data module says of its preprocessing.
    """

    def __init__(self, task: Any, facts: dict[str, Any]) -> None:
        super().__init__()
        self.task, self.kind = task, facts["kind"]
        self.longest: int = facts.get("max_length") or facts.get("context") or LENGTH
        self.shape: list[int] = facts.get("shape") or []
        if self.kind == "image":
            channels, *size = facts["image_shape"]
            self.shape = [*size, channels]
        elif self.kind == "tokens":
            self.shape = [facts["length"]]
        if "mean" in facts:
            self.register_buffer("mean", torch.tensor(facts["mean"]))
            self.register_buffer("std", torch.tensor(facts["std"]))

    def forward(self, inputs: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Predictions.

        Args:
            inputs: Pixels [batch, height, width, channels] as bytes, ids of tokens [batch, length], or numbers
                [batch, steps, channels] in their own units.

        Returns:
            Probabilities [batch, classes], their logarithms for what comes after each token [batch, length,
            vocabulary], numbers [batch, targets], or a forecast [batch, horizon, channels]; the last two in their own
            units.
        """
        if self.kind in ("image", "numbers", "forecast"):
            inputs = (inputs.float() - self.get_buffer("mean")) / self.get_buffer("std")
        if self.kind == "image":
            inputs = inputs.permute(0, 3, 1, 2)
        predictions: Tensor = self.task.predictions(self.task(inputs))
        if self.kind == "forecast":
            predictions = predictions * self.get_buffer("std") + self.get_buffer("mean")
        return predictions

    def example(self) -> Tensor:
        """Inputs to trace the network with."""
        if self.kind == "image":
            return torch.arange(EXAMPLES, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, *self.shape).contiguous()
        if self.kind in ("text", "language"):
            return torch.ones(EXAMPLES, min(LENGTH, self.longest), dtype=torch.int64)
        if self.kind == "tokens":
            return torch.ones(EXAMPLES, *self.shape, dtype=torch.int64)
        return torch.linspace(0, 1, EXAMPLES).view(-1, 1, 1).expand(-1, *self.shape).contiguous()

    def axes(self) -> dict[int, str]:
        """Names of the dimensions of the inputs that may have any size; a text's length is one."""
        return {0: "batch", 1: "length"} if self.kind in ("text", "language") else {0: "batch"}
