"""The learning rate for a batch of another size than the one that it was found with."""

from collections.abc import Callable
from math import sqrt

from omegaconf import DictConfig

RULES: dict[str, Callable[[float], float]] = {
    "linear": lambda ratio: ratio,  # Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.1
    "sqrt": sqrt,  # Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", section 5
}


def batch_size(config: DictConfig) -> int:
    """Examples between two steps of the optimizer, over all devices."""
    accumulated = config.trainer.accumulate_grad_batches
    return int(config.data.batch_size) * (accumulated if isinstance(accumulated, int) else 1)


def scaled_rate(config: DictConfig) -> float:
    """optimizer.lr, or what `lr_scaling` makes of it.

    Raises:
        ValueError: For a rule that is not known, or without the batch size that the rate is meant for.
    """
    rule, meant_for = config.lr_scaling.rule, config.lr_scaling.batch_size
    if rule is None:
        return float(config.optimizer.lr)
    if rule not in RULES:
        raise ValueError(f"lr_scaling.rule={rule} is none of {', '.join(RULES)}; null leaves optimizer.lr as it is")
    if meant_for is None or meant_for < 1:
        raise ValueError(
            f"lr_scaling.rule={rule} needs lr_scaling.batch_size={meant_for} to be the batch size that optimizer.lr "
            "is meant for: give 1 or more"
        )
    return float(config.optimizer.lr * RULES[rule](batch_size(config) / meant_for))
