"""A plain convolutional network: convolution, pooling, fully connected (LeCun 1989, with batch normalisation). Images
are convolved in two dimensions, texts and series in one."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from litmus.limits import Share, Size
from litmus.models.stems import Pixels, Stem


def cnn(
    stem: Pixels | Stem, outputs: Size, channels: Sequence[Size], hidden: Size, dropout: Share
) -> "ImageCNN | SequenceCNN":
    """The network for what the stem gives: blocks of convolution and pooling, then a classifier with one hidden layer.

    Args:
        channels: One block each.
        hidden: Width of the fully connected layer.
        dropout: Before each of the two linear layers.
    """
    if isinstance(stem, Pixels):
        return ImageCNN(stem, outputs, channels, hidden, dropout)
    return SequenceCNN(stem, outputs, channels, hidden, dropout)


def block(inputs: int, outputs: int) -> nn.Sequential:
    """A 3 x 3 convolution, batch normalisation, ReLU, and max pooling, which halves the sides."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


def classifier(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(inputs, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, outputs),
    )


class ImageCNN(nn.Module):
    """In two dimensions; the classifier sees the maps pixel by pixel.

    Raises:
        ValueError: If a side is halved below one pixel.
    """

    def __init__(self, stem: Pixels, outputs: int, channels: Sequence[int], hidden: int, dropout: float) -> None:
        super().__init__()
        height, width = stem.size
        shrink = 2 ** len(channels)
        if min(height, width) < shrink:
            raise ValueError(
                f"model.channels has {len(channels)} blocks, each halves the image, and {height} x {width} pixels "
                f"allow {min(height, width).bit_length() - 1}: give fewer"
            )
        sizes = [stem.channels, *channels]
        self.features = nn.Sequential(*(block(a, b) for a, b in pairwise(sizes)))
        self.classifier = classifier(sizes[-1] * (height // shrink) * (width // shrink), hidden, outputs, dropout)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        out: Tensor = self.classifier(self.features(images))
        return out


class SequenceBlock(nn.Module):
    """A convolution over 3 steps, batch normalisation, ReLU, and max pooling, which halves the length.

    ReLU leaves nothing below zero, so padding that is zero changes no maximum and no convolution.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(
        self, maps: Float[Tensor, "batch inputs length"], mask: Bool[Tensor, "batch length"] | None
    ) -> tuple[Float[Tensor, "batch outputs half"], Bool[Tensor, "batch half"] | None]:
        maps = self.conv(maps)
        if mask is None:
            return self._pool(F.relu(self.norm(maps), inplace=True)), None
        if not self.training:  # the statistics stand: nothing is to be gathered, in a shape that an export can't know
            return self._pool(F.relu(self.norm(maps)) * mask[:, None]), mask[:, ::2]
        steps = maps.transpose(1, 2)
        there = F.relu(self.norm(steps[mask]), inplace=True)  # the statistics are those of what is there
        maps = torch.zeros_like(steps).masked_scatter(mask[..., None], there).transpose(1, 2)
        return self._pool(maps), mask[:, ::2]

    @staticmethod
    def _pool(maps: Tensor) -> Tensor:
        return F.max_pool2d(maps[:, :, None], (1, 2), ceil_mode=True)[:, :, 0]  # a single step stays one


class SequenceCNN(nn.Module):
    """In one dimension; the classifier sees the maximum of each map, at whatever step it is."""

    def __init__(self, stem: Stem, outputs: int, channels: Sequence[int], hidden: int, dropout: float) -> None:
        super().__init__()
        self.stem = stem
        sizes = [stem.width, *channels]
        self.blocks = nn.ModuleList(SequenceBlock(a, b) for a, b in pairwise(sizes))
        self.classifier = classifier(sizes[-1], hidden, outputs, dropout)

    def forward(self, inputs: Shaped[Tensor, "batch length *channels"]) -> Float[Tensor, "batch outputs"]:
        sequence, mask = self.stem(inputs)
        maps = sequence.transpose(1, 2)
        if mask is not None:
            maps = maps * mask[:, None]
        for block in self.blocks:
            maps, mask = block(maps, mask)
        out: Tensor = self.classifier(maps.amax(2))
        return out
