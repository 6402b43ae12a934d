"""Residual networks (He et al. 2016, "Deep residual learning for image recognition"): the CIFAR form of section 4.2,
and the ImageNet form with a stem for small images."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from litmus.limits import Depth, Shape, Size, Sizes


class Subsample(nn.Module):
    """Shortcut option A: every second pixel, new channels filled with zeros, no parameters."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(
        self, maps: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs smaller_height smaller_width"]:
        return F.pad(maps[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Shortcut option B: a 1 x 1 convolution."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut.

    Args:
        shortcut: What replaces the identity.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut

    def forward(
        self, maps: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs smaller_height smaller_width"]:
        out = F.relu(self.norm1(self.conv1(maps)), inplace=True)
        return F.relu(self.norm2(self.conv2(out)) + self.shortcut(maps), inplace=True)


class ResNet(nn.Module):
    """A 3 x 3 stem, stages of basic blocks, global average pooling, a linear layer.

    Args:
        image_shape: Channels, height, width; any size.
        widths: Channels of each stage; every stage but the first halves the sides.
        blocks: Number of blocks of each stage.
        shortcut: Where the shape changes: option A, subsample and pad, or B, a 1 x 1 convolution.
    """

    def __init__(
        self,
        image_shape: Shape,
        outputs: Size,
        widths: Sizes,
        blocks: Sizes,
        shortcut: Literal["A", "B"],
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(f"model.widths has {len(widths)} stages and model.blocks {len(blocks)}: give as many")
        change = Subsample if shortcut == "A" else projection
        layers: list[nn.Module] = [
            nn.Conv2d(image_shape[0], widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        inputs = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                same = stride == 1 and inputs == width
                beside = nn.Identity() if same else change(inputs, width, stride)
                layers.append(BasicBlock(inputs, width, stride, beside))
                inputs = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch outputs"]:
        out: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return out


def cifar_resnet(image_shape: Shape, outputs: Size, depth: Depth) -> ResNet:
    """The CIFAR form, ResNet-20 to ResNet-1202: three stages of 16, 32 and 64 channels, shortcut option A.

    Args:
        image_shape: Channels, height, width; any size.
        depth: 6 n + 2, for n blocks a stage.
    """
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"model.depth={depth} is not 6 n + 2: take 20, 32, 44, 56 or 110")
    return ResNet(image_shape, outputs, (16, 32, 64), ((depth - 2) // 6,) * 3, shortcut="A")
