"""Images out of shards: PNG and JPEG, decoded on the way."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor

from litmus.data.images.augment import Augment
from litmus.data.images.image_folder import read_image
from litmus.data.images.pictures import Pictures
from litmus.data.shards.reader import BYTES
from litmus.data.shards.rows import Decode
from litmus.data.shards.shard_data import ShardData


class ImageShards(Pictures, ShardData):
    """Images, resized and cut to `image_shape` (channels, height, width).

    Args:
        mean: Of each channel, for values from 0 to 1.
    """

    kind = BYTES

    def __init__(
        self,
        image_shape: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        augment: Augment,
        **shards: Any,
    ) -> None:
        super().__init__(**{**shards, "window": 1})  # images are of one size
        self.declare(image_shape, mean, std, augment)

    def decode(self) -> Decode:
        return Pixels(self.image_shape)


class Pixels:
    """Bytes of files to bytes of pixels [batch, height, width, channels]."""

    def __init__(self, image_shape: Sequence[int]) -> None:
        self.image_shape = image_shape

    def __call__(self, tables: list[Any]) -> Tensor:
        files = (file for table in tables for file in table.column(0))
        return torch.from_numpy(np.stack([read_image(BytesIO(file.as_buffer()), self.image_shape) for file in files]))
