"""The repeated blocks of a network: what is computed again in the backward pass, and what is sharded by itself."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def blocks(net: nn.Module) -> list[nn.Module]:
    """The modules of a list that have parts themselves, where two or more are of one kind; not those within a block."""
    found: list[nn.Module] = []
    for child in net.children():
        kinds = Counter(type(part) for part in child.children() if next(part.children(), None) is not None)
        if isinstance(child, nn.ModuleList | nn.Sequential) and any(count > 1 for count in kinds.values()):
            found += [part for part in child.children() if kinds[type(part)] > 1]
        else:
            found += blocks(child)
    return found


def recompute(net: nn.Module, name: str) -> None:
    """Has every block keep its inputs only, and compute what is between again when gradients are asked for (Chen et al.
    2016, "Training deep nets with sublinear memory cost"). Names, gradients and dropout stay what they are.

    Args:
        name: Of the network, for the error.

    Raises:
        ValueError: If it has no blocks.
    """
    parts = blocks(net)
    if not parts:
        raise ValueError(f"activation_checkpointing=true, and {name} has no repeated blocks: leave it false")
    for part in parts:
        part.forward = partial(_forward, part.forward)  # copied with the block, as a closure would not be


def _forward(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    contexts = partial(_contexts, forward.__self__)  # type: ignore[attr-defined]
    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Of the first time and of the second, which must not count in the statistics of normalisation again."""
    return nullcontext(), _statistics_kept(block)


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    norms = [part for part in block.modules() if isinstance(part, _BatchNorm) and part.num_batches_tracked is not None]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # what is saved for the gradients must be the same as the first time
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.training and norm.num_batches_tracked is not None:
                norm.num_batches_tracked -= 1
