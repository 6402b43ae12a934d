"""Images out of shards: files of PNG, JPEG and the like, decoded on the way."""

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from litmus.data.images.augment import Augment
from litmus.data.images.image_folder import netpbm, read_image
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
    """Bytes of files to pixels [batch, height, width, channels]; Netpbm files of the right shape need no decoding."""

    def __init__(self, image_shape: Sequence[int]) -> None:
        self.image_shape = image_shape
        channels, height, width = image_shape
        self.header, self.array_shape = netpbm(image_shape), (height, width, channels)

    def __call__(self, tables: list[Any]) -> Tensor:
        files = (file for table in tables for file in table.column(0))
        return torch.from_numpy(np.stack([self._decoded(file.as_buffer()) for file in files]))

    def _decoded(self, file: Any) -> NDArray[np.uint8]:
        start = len(self.header)
        if file.size == start + math.prod(self.array_shape) and file[:start].to_pybytes() == self.header:
            return np.frombuffer(file, np.uint8, offset=start).reshape(self.array_shape)
        return read_image(BytesIO(file), self.image_shape)
