"""A plain convolutional network: convolution, pooling, fully connected (LeCun 1989, with batch normalisation)."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


def block(inputs: int, outputs: int) -> nn.Sequential:
    """A 3 x 3 convolution, batch normalisation, ReLU, and max pooling, which halves the sides."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


class CNN(nn.Module):
    """Blocks of convolution and pooling, then a classifier with one hidden layer.

    Args:
        image_shape: Channels, height, width.
        channels: One block each.
        hidden: Width of the fully connected layer.
        dropout: Before each of the two linear layers.

    Raises:
        ValueError: If a side is halved below one pixel.
    """

    def __init__(
        self, image_shape: Sequence[int], num_classes: int, channels: Sequence[int], hidden: int, dropout: float
    ) -> None:
        super().__init__()
        inputs, height, width = image_shape
        shrink = 2 ** len(channels)
        if min(height, width) < shrink:
            raise ValueError(
                f"model.channels has {len(channels)} blocks, each halves the image, and {height} x {width} pixels "
                f"allow {min(height, width).bit_length() - 1}: give fewer"
            )
        sizes = [inputs, *channels]
        self.features = nn.Sequential(*(block(a, b) for a, b in pairwise(sizes)))
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(sizes[-1] * (height // shrink) * (width // shrink), hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        logits: Tensor = self.classifier(self.features(images))
        return logits
