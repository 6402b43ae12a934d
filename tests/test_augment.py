"""Augmentation: what each part does to the pixels, and that it depends on its generator alone."""

import pytest
import torch

from litmus.data.images.augment import Augment


def images() -> torch.Tensor:
    return torch.randint(1, 256, (64, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_is_nothing_done() -> None:
    assert torch.equal(Augment(False, 0, 0)(images(), generator()), images())


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    before = images()
    after = Augment(True, 0, 0)(before, generator())
    same = (after == before).flatten(1).all(1)
    mirrored = (after == before.flip(2)).flatten(1).all(1)
    assert bool((same | mirrored).all())
    assert 16 < int(mirrored.sum()) < 48


def test_a_crop_is_a_window_of_the_padded_image() -> None:
    before = images()
    after = Augment(False, 2, 0)(before, generator())
    padded = torch.nn.functional.pad(before, (0, 0, 2, 2, 2, 2))
    windows = padded.unfold(1, 8, 1).unfold(2, 8, 1).permute(0, 1, 2, 4, 5, 3)  # image, top, left, y, x, channel
    hits = (windows == after[:, None, None]).flatten(3).all(3)
    assert hits.flatten(1).any(1).all()
    assert len(hits.nonzero()[:, 1:].unique(dim=0)) > 10


def test_cutout_blackens_one_square_of_at_most_its_size() -> None:
    after = Augment(False, 0, 4)(images(), generator())
    black = (after == 0).all(3)
    assert bool((black.sum((1, 2)) > 0).all()) and bool((black.sum((1, 2)) <= 16).all())
    assert torch.equal(after[~black], images()[~black])
    rows, columns = black.any(2).sum(1), black.any(1).sum(1)
    assert torch.equal(rows * columns, black.sum((1, 2)))


def test_the_draw_depends_on_the_generator_alone() -> None:
    augment = Augment(True, 2, 3)
    torch.manual_seed(5)
    first = augment(images(), generator(1))
    torch.manual_seed(6)
    assert torch.equal(first, augment(images(), generator(1)))
    assert not torch.equal(first, augment(images(), generator(2)))


def test_negative_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="crop_padding=-1"):
        Augment(True, -1, 0)


def test_alternating_flips_mirror_one_half_and_then_the_other() -> None:
    before, augment = images(), Augment("alternating", 0, 0)
    first, second, third = (augment(before, generator(epoch), epoch, 7) for epoch in range(3))
    mirrored = [(each == before.flip(2)).flatten(1).all(1) for each in (first, second)]
    assert torch.equal(mirrored[0], ~mirrored[1]) and 16 < int(mirrored[0].sum()) < 48
    assert torch.equal(first, third) and not torch.equal(first, augment(before, generator(), 0, 8))
    shuffled = torch.randperm(len(before))
    assert torch.equal(augment(before[shuffled], generator(5), 0, 7), first[shuffled])  # wherever it stands in a batch


def test_a_crop_out_of_a_reflected_border_is_that_of_torch() -> None:
    before = images()
    after = Augment(False, 2, 0, border="reflect")(before, generator())
    padded = torch.nn.functional.pad(before.permute(0, 3, 1, 2).float(), (2, 2, 2, 2), mode="reflect")
    windows = padded.byte().permute(0, 2, 3, 1).unfold(1, 8, 1).unfold(2, 8, 1).permute(0, 1, 2, 4, 5, 3)
    hits = (windows == after[:, None, None]).flatten(3).all(3)
    assert hits.flatten(1).any(1).all() and len(hits.nonzero()[:, 1:].unique(dim=0)) > 10
