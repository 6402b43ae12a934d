"""What one rank of a run tells the others."""

from typing import Any

import torch.distributed as dist


def gather(mine: Any) -> list[Any]:
    """What every rank has, in their order, on all of them; all must call it."""
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    all_of_them: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(all_of_them, mine)
    return all_of_them
