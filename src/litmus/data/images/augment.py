"""Flip, padded crop and cutout on a whole batch of images, on the device they stand on."""

import functools
from typing import Literal

import torch
from jaxtyping import Int, Shaped
from torch import Generator, Tensor


class Augment:
    """What a training batch goes through; every image draws for itself.

    Args:
        flip: Mirror left and right with probability 1/2; `alternating`, half of the images in one epoch and the other
            half in the next (Jordan 2024), as a hash of the image says.
        crop_padding: Pixels of a border, out of which a crop of the old size is taken (He 2016).
        cutout: Side in pixels of a black square, centred anywhere, cut off at the border (DeVries & Taylor 2017).
        border: Black, or the image reflected.
    """

    def __init__(
        self,
        flip: bool | Literal["alternating"],
        crop_padding: int,
        cutout: int,
        border: Literal["black", "reflect"] = "black",
    ) -> None:
        if crop_padding < 0 or cutout < 0:
            raise ValueError(f"augment: crop_padding={crop_padding} and cutout={cutout} are pixels, 0 or more")
        self.flip, self.crop_padding, self.cutout, self.border = flip, crop_padding, cutout, border

    def __call__(
        self, images: Shaped[Tensor, "batch height width channels"], generator: Generator, epoch: int = 0, seed: int = 0
    ) -> Shaped[Tensor, "batch height width channels"]:
        """A batch of the epoch; the seed is that of the halves that alternate."""
        count, height, width, _ = images.shape
        device = images.device

        def draw(low: int, high: int) -> Tensor:
            return torch.randint(low, high, (count, 1), generator=generator, device=device)

        rows = torch.arange(height, device=device).expand(count, -1)
        columns = torch.arange(width, device=device).expand(count, -1)
        if self.flip:
            mirrored = draw(0, 2) if self.flip is True else (coin(images, seed) + epoch)[:, None] % 2
            columns = torch.where(mirrored == 1, columns.flip(1), columns)
        if self.crop_padding:
            pad = self.crop_padding
            down, right = draw(0, 2 * pad + 1), draw(0, 2 * pad + 1)
            if self.border == "reflect":
                rows, columns = reflected(rows + down - pad, height), reflected(columns + right - pad, width)
            else:
                images = torch.nn.functional.pad(images, (0, 0, pad, pad, pad, pad))
                rows, columns = rows + down, columns + right
        if self.flip or self.crop_padding:
            images = images[torch.arange(count, device=device)[:, None, None], rows[:, :, None], columns[:, None, :]]
        if self.cutout:
            top, left = draw(0, height) - self.cutout // 2, draw(0, width) - self.cutout // 2
            y, x = torch.arange(height, device=device), torch.arange(width, device=device)
            inside_rows, inside_columns = (y >= top) & (y < top + self.cutout), (x >= left) & (x < left + self.cutout)
            images = images.masked_fill((inside_rows[:, :, None] & inside_columns[:, None, :])[..., None], 0)
        return images


def coin(images: Shaped[Tensor, "batch height width channels"], seed: int) -> Int[Tensor, " batch"]:
    """0 or 1 for each image by its bytes and the seed, and nothing else."""
    return (images.flatten(1).long() * factors(images[0].numel(), seed, images.device)).sum(1) // 2**20 % 2


@functools.lru_cache(8)
def factors(size: int, seed: int, device: torch.device) -> Int[Tensor, " size"]:
    """Of a hash; made once, since a GPU would wait for them in every step."""
    return torch.randint(1, 2**31, (size,), generator=Generator().manual_seed(seed)).to(device)


def reflected(places: Tensor, size: int) -> Tensor:
    """Rows or columns beyond the edge as those that mirror them."""
    return (size - 1) - ((size - 1) - places.abs()).abs()
