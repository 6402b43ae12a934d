"""Flip, padded crop and cutout on a whole batch of images, on the device they stand on."""

import torch
from jaxtyping import Shaped
from torch import Generator, Tensor


class Augment:
    """What a training batch goes through; every image draws for itself.

    Args:
        flip: Mirror left and right with probability 1/2.
        crop_padding: Pixels of black border, out of which a crop of the old size is taken (He 2016).
        cutout: Side in pixels of a black square, centred anywhere, cut off at the border (DeVries & Taylor 2017).
    """

    def __init__(self, flip: bool, crop_padding: int, cutout: int) -> None:
        if crop_padding < 0 or cutout < 0:
            raise ValueError(f"augment: crop_padding={crop_padding} and cutout={cutout} are pixels, 0 or more")
        self.flip, self.crop_padding, self.cutout = flip, crop_padding, cutout

    def __call__(
        self, images: Shaped[Tensor, "batch height width channels"], generator: Generator
    ) -> Shaped[Tensor, "batch height width channels"]:
        count, height, width, _ = images.shape
        device = images.device

        def draw(low: int, high: int) -> Tensor:
            return torch.randint(low, high, (count, 1), generator=generator, device=device)

        rows = torch.arange(height, device=device).expand(count, -1)
        columns = torch.arange(width, device=device).expand(count, -1)
        if self.flip:
            columns = torch.where(draw(0, 2) == 1, columns.flip(1), columns)
        if self.crop_padding:
            pad = self.crop_padding
            images = torch.nn.functional.pad(images, (0, 0, pad, pad, pad, pad))
            rows, columns = rows + draw(0, 2 * pad + 1), columns + draw(0, 2 * pad + 1)
        if self.flip or self.crop_padding:
            images = images[torch.arange(count, device=device)[:, None, None], rows[:, :, None], columns[:, None, :]]
        if self.cutout:
            top, left = draw(0, height) - self.cutout // 2, draw(0, width) - self.cutout // 2
            y, x = torch.arange(height, device=device), torch.arange(width, device=device)
            inside_rows, inside_columns = (y >= top) & (y < top + self.cutout), (x >= left) & (x < left + self.cutout)
            images = images.masked_fill((inside_rows[:, :, None] & inside_columns[:, None, :])[..., None], 0)
        return images
