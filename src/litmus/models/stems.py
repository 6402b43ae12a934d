"""What stands before a network: images, texts and series as sequences of vectors, so that one network takes all."""

from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from litmus.limits import Count, Scale, Shape, Size


@runtime_checkable
class Stem(Protocol):
    """What a network knows of a stem. Calling it gives vectors, and where there are any; None if everywhere.

    Attributes:
        width: Size of a vector.
        length: The most steps that there can be.
        varies: Whether some examples have fewer steps, and padding behind them.
    """

    width: int
    length: int
    varies: bool

    def __call__(
        self, inputs: Tensor, /
    ) -> tuple[Float[Tensor, "batch length width"], Bool[Tensor, "batch length"] | None]: ...


class Pixels(nn.Module):
    """An image as it is, for convolution in two dimensions: the one that is not a `Stem`.

    Args:
        image_shape: Channels, height, width.
    """

    def __init__(self, image_shape: Shape) -> None:
        super().__init__()
        self.channels, *size = image_shape
        self.size = tuple(size)

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch channels height width"], None]:
        return images, None


class Rows(nn.Module):
    """The rows of an image from top to bottom, each with all its channels.

    Args:
        image_shape: Channels, height, width.
    """

    def __init__(self, image_shape: Shape) -> None:
        super().__init__()
        channels, self.length, width = image_shape
        self.width = channels * width
        self.varies = False

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch height row"], None]:
        return images.transpose(1, 2).flatten(2), None


class Patches(nn.Module):
    """The squares of an image, row by row. A linear layer behind it makes it the embedding of Dosovitskiy et al. (2021,
    "An image is worth 16x16 words").

    Args:
        image_shape: Channels, height, width. Sides that `patch` does not divide get a black border, right and below.
        patch: Side of a square in pixels.
    """

    def __init__(self, image_shape: Shape, patch: Size) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.patch = patch
        self.border = (0, -width % patch, 0, -height % patch)
        self.length = -(-height // patch) * -(-width // patch)
        self.width = channels * patch * patch
        self.varies = False

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> tuple[Float[Tensor, "batch patches patch"], None]:
        squares = F.unfold(F.pad(images, self.border), self.patch, stride=self.patch)
        return squares.transpose(1, 2), None


class Tokens(nn.Module):
    """A learned vector for every token of a text.

    Args:
        max_length: Tokens that longer texts are cut to.
        padding: Id that fills a batch up behind its shorter texts; its vector is zero and stays so.
        init_range: The others start evenly between minus and plus this. With torch's start, a standard normal, they
            are so far apart that a few thousand sentences are learned by heart, for 3 to 5 points of accuracy less.
    """

    def __init__(self, vocab_size: Size, max_length: Size, width: Size, padding: Count, init_range: Scale) -> None:
        super().__init__()
        self.width, self.length, self.varies, self.padding = width, max_length, True, padding
        self.embedding = nn.Embedding(vocab_size, width, padding_idx=padding)
        with torch.no_grad():
            self.embedding.weight.uniform_(-init_range, init_range)
            self.embedding.weight[padding] = 0

    def forward(
        self, tokens: Int[Tensor, "batch length"]
    ) -> tuple[Float[Tensor, "batch length width"], Bool[Tensor, "batch length"]]:
        return self.embedding(tokens), present(tokens, self.padding)


def present(tokens: Int[Tensor, "batch length"], padding: int) -> Bool[Tensor, "batch length"]:
    """Where a text is. An empty one is one token of padding: the mean or the maximum of nothing is no number."""
    mask = tokens != padding
    mask[:, 0] = True
    return mask


class Frames(nn.Module):
    """The steps of a series, some of them joined into one vector.

    Args:
        frames: How many; where it does not divide the length, the last step is repeated.
    """

    def __init__(self, channels: Size, length: Size, frames: Size) -> None:
        super().__init__()
        self.frames = frames
        self.length = -(-length // frames)
        self.width = channels * frames
        self.varies = False

    def forward(
        self, series: Float[Tensor, "batch length channels"]
    ) -> tuple[Float[Tensor, "batch groups frames"], None]:
        missing = -series.shape[1] % self.frames
        whole = F.pad(series.transpose(1, 2), (0, missing), mode="replicate").transpose(1, 2) if missing else series
        return whole.reshape(series.shape[0], -1, self.width), None
