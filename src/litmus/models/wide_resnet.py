"""Wide residual networks with pre-activation (Zagoruyko & Komodakis 2016, "Wide residual networks", table 1)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Depth, Shape, Share, Size


class WideBlock(nn.Module):
    """Normalise, ReLU, convolve, twice, with dropout between; a 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(
        self, maps: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs smaller_height smaller_width"]:
        active = F.relu(self.norm1(maps), inplace=True)
        out = self.dropout(F.relu(self.norm2(self.conv1(active)), inplace=True))
        residual: Tensor = self.conv2(out)
        return residual + (maps if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """WRN-depth-width: three stages of 16, 32 and 64 times `width` channels.

    Args:
        image_shape: Channels, height, width; any size.
        depth: 6 n + 4, for n blocks a stage.
        width: Factor on the channels.
        dropout: Between the convolutions of a block.
    """

    def __init__(self, image_shape: Shape, outputs: Size, depth: Depth, width: Size, dropout: Share) -> None:
        super().__init__()
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"model.depth={depth} is not 6 n + 4: take 10, 16, 22, 28 or 40")
        inputs = 16
        layers: list[nn.Module] = [nn.Conv2d(image_shape[0], inputs, 3, padding=1, bias=False)]
        for stage, channels in enumerate((16 * width, 32 * width, 64 * width)):
            for index in range((depth - 4) // 6):
                layers.append(WideBlock(inputs, channels, 2 if stage > 0 and index == 0 else 1, dropout))
                inputs = channels
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(inputs, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        out: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return out
