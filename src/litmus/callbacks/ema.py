"""Exponential moving average of the weights, used for validation, the checkpoints and the test."""

from pytorch_lightning.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from litmus.limits import Share


def ema(decay: Share) -> WeightAveraging:
    """Lightning's callback.

    Args:
        decay: What is left of the average at every step; the weights are the rest.
    """
    return WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
