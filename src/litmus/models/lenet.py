"""LeNet-5, with the third convolution as a linear layer (LeCun et al. 1998, "Gradient-based learning applied to
document recognition", figure 2)."""

from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Shape, Size


class LeNet(nn.Module):
    """Two convolutions with average pooling, three linear layers, tanh: 61,706 parameters for one channel.

    Args:
        image_shape: Channels, height, width; up to 32 x 32, smaller ones get a border, as in the paper.

    Raises:
        ValueError: If the image is not from 28 to 32 pixels a side.
    """

    def __init__(self, image_shape: Shape, outputs: Size) -> None:
        super().__init__()
        channels, height, width = image_shape
        if not (28 <= height <= 32 and 28 <= width <= 32):
            raise ValueError(
                f"model=lenet takes images from 28 x 28 to 32 x 32 pixels and these have {height} x {width}: "
                "choose model=cnn or a resnet"
            )
        left, top = (32 - width) // 2, (32 - height) // 2
        self.layers = nn.Sequential(
            nn.ZeroPad2d((left, 32 - width - left, top, 32 - height - top)),
            nn.Conv2d(channels, 6, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, outputs),
        )

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        out: Tensor = self.layers(images)
        return out
