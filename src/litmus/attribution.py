"""What an output hangs on: gradient x input (Simonyan et al. 2014, "Deep inside convolutional networks"; Shrikumar et
al. 2016, "Not just a black box")."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.distributed.tensor import DTensor


def attributions(
    module: LightningModule, inputs: Shaped[Tensor, "batch ..."], weights: Float[Tensor, "batch classes"]
) -> Tensor | None:
    """The share of every pixel, step or token in the weighted sum of its example's logits.

    Args:
        module: In evaluation mode.
        inputs: Images [batch, channels, height, width], series [batch, length, channels] or tokens [batch, length];
            tokens are seen through the vectors of the embedding that takes them.

    Returns:
        The sums over channels, or over a token's vector: [batch, height, width] or [batch, length]. None where there
        is no such gradient: for weights in shards, and for a network without an embedding of its tokens.
    """
    if any(isinstance(parameter, DTensor) for parameter in module.parameters()):
        return None
    taken: list[Tensor] = []

    def take(layer: nn.Module, given: Any, output: Tensor) -> Tensor | None:
        if taken or given[0].shape != inputs.shape or not torch.equal(given[0], inputs):
            return None
        taken.append(output.detach().requires_grad_())
        return taken[0]

    hooks = [each.register_forward_hook(take) for each in module.modules() if isinstance(each, nn.Embedding)]
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.backends.cudnn.flags(enabled=False),  # its recurrent networks have gradients only in training
            torch.compiler.set_stance("force_eager"),
            module.trainer.precision_plugin.forward_context(),
        ):
            inputs = inputs.clone()  # out of inference mode
            if inputs.is_floating_point():
                taken.append(inputs.requires_grad_())
            logits = module(inputs)
            if not taken:
                return None
            (gradient,) = torch.autograd.grad((logits * weights.clone()).sum(), taken[0], allow_unused=True)
    except RuntimeError:  # an operation without a derivative
        return None
    finally:
        for hook in hooks:
            hook.remove()
    return None if gradient is None else (gradient * taken[0].detach()).sum(1 if inputs.ndim == 4 else 2).float().cpu()


def surprises(
    module: LightningModule, tokens: Int[Tensor, " length"], targets: Int[Tensor, " length"]
) -> Float[Tensor, " length"] | None:
    """Bits that a language model needs for each target, of a text that it has seen nothing before; None for weights in
    shards."""
    if any(isinstance(parameter, DTensor) for parameter in module.parameters()):
        return None
    with torch.no_grad(), module.trainer.precision_plugin.forward_context():
        logits = module(tokens[None].to(module.device))[0].float().cpu()
    return F.cross_entropy(logits, targets.cpu(), reduction="none") / torch.log(torch.tensor(2.0))
