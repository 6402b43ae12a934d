"""What one rank of a run tells the others; all of them must call these, or wait for ever."""

from typing import Any

import torch
import torch.distributed as dist


def gather(mine: Any) -> list[Any]:
    """What every rank has, in their order, on all of them."""
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    all_of_them: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(all_of_them, mine)
    return all_of_them


def any_of(mine: bool, device: torch.device) -> bool:
    """Whether it holds for any rank."""
    if not (dist.is_available() and dist.is_initialized()):
        return mine
    flag = torch.tensor(int(mine), device=device)
    dist.all_reduce(flag, dist.ReduceOp.MAX)
    return bool(flag)


def mean_of(count: torch.Tensor) -> torch.Tensor:
    """The mean over ranks of a number: a sum over it, averaged over ranks, is the mean of what they all have."""
    if not (dist.is_available() and dist.is_initialized()):
        return count
    everywhere = count.clone()
    dist.all_reduce(everywhere)
    return everywhere / dist.get_world_size()
