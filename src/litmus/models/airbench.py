"""The network of airbench94 (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU")."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Shape, Size, Sizes

PATCH = 2  # pixels a side that the first layer whitens
BIAS_RATE = 64.0  # of the biases of batch normalisation, in rates of the others


class Conv(nn.Conv2d):
    """A 3 x 3 convolution that begins as the identity on its first channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding="same", bias=False)
        with torch.no_grad():
            nn.init.dirac_(self.weight[:inputs])


class Norm(nn.BatchNorm2d):
    """Batch normalisation without a scale, and with statistics that forget fast."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-12, momentum=0.4)
        self.weight.requires_grad_(False)


def group(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions with batch normalisation and GELU, and pooling behind the first, which halves the sides."""
    return nn.Sequential(
        Conv(inputs, outputs),
        nn.MaxPool2d(2),
        Norm(outputs),
        nn.GELU(),
        Conv(outputs, outputs),
        Norm(outputs),
        nn.GELU(),
    )


class Airbench(nn.Module):
    """A fixed convolution that whitens patches, three groups of convolutions, a linear layer on the maxima.

    Out of training the logits are means over views of an image: mirrored and shifted by a pixel.

    Args:
        image_shape: Channels, height, width.
        widths: Channels of the groups, each of which halves the sides.
        scale: On the logits.
        views: 1, 2 (mirrored) or 6 (mirrored and shifted).

    Raises:
        ValueError: If the image is too small, or the views are others.
    """

    def __init__(self, image_shape: Shape, outputs: Size, widths: Sizes, scale: float, views: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        least = (PATCH - 1) + 3 * 2 ** len(widths)
        if min(height, width) < least:
            raise ValueError(
                f"model=airbench takes images from {least} pixels a side, and these have {height} x {width}"
            )
        if views not in (1, 2, 6):
            raise ValueError(f"model.views={views} is none of 1, 2 (mirrored) and 6 (mirrored and shifted)")
        directions = 2 * channels * PATCH**2
        self.whiten = nn.Conv2d(channels, directions, PATCH)
        self.whiten.weight.requires_grad_(False)
        nn.init.zeros_(cast(Tensor, self.whiten.bias))
        sizes = [directions, *widths]
        self.groups = nn.Sequential(*(group(a, b) for a, b in zip(sizes, widths, strict=False)))
        self.head = nn.Linear(widths[-1], outputs, bias=False)
        self.scale, self.views = scale, views

    @torch.no_grad()
    def fit_whitening(self, images: Float[Tensor, "count channels height width"]) -> None:
        """Sets the first layer: the principal directions of the images' patches, each scaled to variance 1, and their
        opposites."""
        patches = F.unfold(images.float(), PATCH).transpose(1, 2).flatten(0, 1)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        directions = (vectors / (values + 5e-4).sqrt()).T.flip(0).unflatten(1, (-1, PATCH, PATCH))
        self.whiten.weight.copy_(torch.cat([directions, -directions]))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The biases of batch normalisation learn fast, and no group's decay depends on its rate."""
        biases = [part.bias for part in self.modules() if isinstance(part, Norm)]
        others = [part for part in self.parameters() if part.requires_grad and all(part is not bias for bias in biases)]
        return [{"params": others}, {"params": biases, "lr_scale": BIAS_RATE, "decay_scale": 1 / BIAS_RATE}]

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        if self.training or self.views == 1:
            return self._logits(images)
        logits = self._mirrored(images)
        if self.views == 2:
            return logits
        wider = F.pad(images, (1, 1, 1, 1), mode="reflect")
        shifted = self._mirrored(wider[:, :, :-2, :-2]) + self._mirrored(wider[:, :, 2:, 2:])
        return (logits + shifted / 2) / 2

    def _mirrored(self, images: Tensor) -> Tensor:
        return (self._logits(images) + self._logits(images.flip(3))) / 2

    def _logits(self, images: Tensor) -> Tensor:
        maps = self.groups(F.gelu(self.whiten(images)))
        out: Tensor = self.head(maps.amax((2, 3))) * self.scale
        return out
