"""The data module: what is declared against what is there, the split, and your own images in folders."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import on_cpu
from fakes import fake, write_folder
from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image

from litmus.data.images.image_data import ImageData
from litmus.data.images.image_folder import read_image


def set_up(config: DictConfig, stage: str = "fit") -> ImageData:
    data: ImageData = on_cpu(instantiate(config.data, _convert_="all"), stage)
    return data


def test_mean_and_std_of_the_digits_are_those_declared(composed: Callable[..., DictConfig]) -> None:
    data = set_up(composed("data=digits"))
    assert data.train_set is not None
    images = data.normalise(data.train_set.inputs)
    assert abs(images.mean().item()) < 0.02 and abs(images.std().item() - 1) < 0.02


def test_validation_is_cut_from_train_by_a_seed_of_its_own(composed: Callable[..., DictConfig]) -> None:
    def parts(*overrides: str) -> tuple[set[int], set[int]]:
        data = set_up(composed("data=digits", *overrides))
        assert data.train_set is not None and data.train_set.chosen is not None and data.val_set.chosen is not None
        return set(data.train_set.chosen.tolist()), set(data.val_set.chosen.tolist())

    train, val = parts()
    assert len(train) == 1293 and len(val) == 144 and not train & val
    assert parts("seed=7") == (train, val)
    assert parts("data.split_seed=1")[1] != val
    fewer, same = parts("data.train_size=100")
    assert len(fewer) == 100 and fewer < train and same == val


def test_train_and_test_digits_do_not_overlap(composed: Callable[..., DictConfig]) -> None:
    source = instantiate(composed("data=digits").data.source)
    (train, train_labels), (test, test_labels) = source.load(Path(), "train"), source.load(Path(), "test")
    assert len(train) + len(test) == 1797 and len(test) == 360
    assert np.bincount(test_labels).min() >= 34 and np.bincount(train_labels).min() >= 139


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.image_shape=[1,9,9]"], r"data.image_shape=\[1, 9, 9\] and the images are \[8, 8, 1\]"),
        (["data.num_classes=5", "data.classes=[a,b,c,d,e]"], "is outside the 5 of data.classes"),
        (["data.num_classes=5"], "data.classes names 10 classes and data.num_classes is 5"),
        (["data.validation=1.0"], "data.validation=1.0 is not a share"),
        (["data.batch_size=0"], "data.batch_size=0 is not at least 1"),
        (["data.mean=[0.5,0.5]"], "need 1 values each"),
    ],
)
def test_data_that_do_not_match_are_refused(
    composed: Callable[..., DictConfig], overrides: list[str], sentence: str
) -> None:
    with pytest.raises(Exception, match=sentence):
        set_up(composed("data=digits", *overrides))


def test_the_fingerprint_follows_the_content(composed: Callable[..., DictConfig], tmp_path: Path) -> None:
    config = fake(composed, tmp_path, "image_folder")
    before = set_up(config).fingerprints["train"]
    assert set_up(config).fingerprints["train"] == before
    for path in tmp_path.rglob("1.png"):
        image = Image.open(path)
        image.putpixel((20, 30), (7, 0, 0))
        image.save(path)
    assert set_up(config).fingerprints["train"] != before


def test_folders_are_classes_and_a_test_folder_is_the_test_split(
    composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    write_folder(tmp_path / "images" / "train")
    write_folder(tmp_path / "images" / "test", count=2)
    overrides = [f"data.root={tmp_path}/images", f"data_root={tmp_path}", "data.batch_size=2"]
    data = set_up(composed("data=image_folder", *overrides))
    data.setup("test")
    assert data.classes == ["cat", "dog"]
    assert data.test_set is not None and data.test_set.targets.tolist() == [0, 0, 1, 1]
    assert data.train_set is not None and len(data.train_set.targets) == 12


def test_without_a_test_folder_a_share_is_held_out(composed: Callable[..., DictConfig], tmp_path: Path) -> None:
    data = set_up(fake(composed, tmp_path, "image_folder"))
    data.setup("test")
    assert data.train_set is not None and data.test_set is not None
    assert (len(data.train_set.targets), len(data.test_set.targets)) == (10, 2)


def test_images_are_decoded_once_and_again_when_a_file_changes(
    composed: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = fake(composed, tmp_path, "image_folder")
    set_up(config)
    with monkeypatch.context() as patch:
        patch.setattr("litmus.data.images.image_folder.read_image", None)  # calling it would fail
        data = set_up(config)
    assert data.train_set is not None
    Image.new("RGB", (64, 64), (9, 9, 9)).save(tmp_path / "cat" / "new.png")
    again = set_up(config)
    assert again.fingerprints != data.fingerprints


def test_a_new_class_does_not_shift_the_labels_in_the_cache(
    composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    write_folder(tmp_path)
    overrides = ("data=image_folder", f"data.root={tmp_path}", f"data_root={tmp_path}", "data.batch_size=2")
    data = set_up(composed(*overrides))
    assert data.train_set is not None and data.train_set.targets.unique().tolist() == [0, 1]
    (tmp_path / "bird").mkdir()
    data = set_up(composed(*overrides))
    assert data.classes == ["bird", "cat", "dog"]
    assert data.train_set is not None and data.train_set.targets.unique().tolist() == [1, 2]


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    assert np.abs(read_image(tmp_path / "deep.png", (1, 8, 8))[..., 0].astype(int) - ramp // 257).max() == 0


def test_a_broken_image_is_named_and_skipped_or_refused(
    composed: Callable[..., DictConfig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = fake(composed, tmp_path, "image_folder", "data.source.test=0.5")
    broken = tmp_path / "dog" / "broken.png"
    broken.write_bytes((tmp_path / "dog" / "1.png").read_bytes()[:60])
    with caplog.at_level(logging.WARNING):
        data = set_up(config)
        data.setup("test")
    assert str(broken) in caplog.text
    assert data.train_set is not None and data.test_set is not None
    assert len(data.train_set.targets) + len(data.test_set.targets) == 12
    config.data.source.broken = "refuse"
    with pytest.raises(ValueError, match=r"broken.png can't be read as an image"):
        set_up(config)


def test_a_folder_without_images_is_refused(composed: Callable[..., DictConfig], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no train images"):
        set_up(composed("data=image_folder", f"data.root={tmp_path}", f"data_root={tmp_path}"))
