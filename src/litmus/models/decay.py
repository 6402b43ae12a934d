"""Which parameters of a transformer decay."""

from collections.abc import Iterable
from typing import Any

from torch import nn


def decay_matrices(parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """Groups for an optimizer: matrices decay as it says, biases and the gains of norms don't.

    A gain that is pulled towards zero would switch its unit off. What is frozen is left out.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.ndim >= 2]
    vectors = [parameter for parameter in trained if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
