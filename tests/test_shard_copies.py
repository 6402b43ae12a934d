"""Remote shards: copied once, checked, within a size, by several processes at once."""

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import Compose, on_cpu
from prepared import SIZES, write_images

from litmus.build import build_data
from litmus.data.shards.manifest import Manifest, Shard, read_manifest
from litmus.data.shards.store import RemoteShards

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("pyarrow")


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[str]:
    """A URL with made-up images."""
    write_images(tmp_path / "data")
    store = fsspec.filesystem("memory")
    store.put(str(tmp_path / "data"), "/prepared", recursive=True)
    yield "memory://prepared"
    store.rm("/prepared", recursive=True)


def shards_of(manifest: Manifest) -> tuple[Shard, ...]:
    return manifest.splits["train"].shards


def test_remote_shards_are_those_of_the_folder(composed: Compose, tmp_path: Path, remote: str) -> None:
    parts = []
    for path in (str(tmp_path / "data"), remote):
        data = on_cpu(build_data(composed("data=shards", f"data.path={path}", f"data_root={tmp_path}/root")))
        parts.append(torch.cat([images for images, _ in data.train_dataloader()]))
    assert torch.equal(*parts) and len(parts[0]) == SIZES["train"] // 64 * 64
    assert 0 < len(list((tmp_path / "root" / ".cache" / "shards").iterdir())) <= len(shards_of(read_manifest(remote)))


def test_a_copy_is_made_once(tmp_path: Path, remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = shards_of(read_manifest(remote))[0]
    store = RemoteShards(remote, tmp_path / "cache", 1 << 30)
    first = store.open(shard).read()
    monkeypatch.setattr(fsspec, "open", None)
    assert store.open(shard).read() == first and len(first) == shard.bytes


def test_what_was_used_longest_ago_makes_room(tmp_path: Path, remote: str) -> None:
    shards = shards_of(read_manifest(remote))
    most = 3 * max(shard.bytes for shard in shards)
    store = RemoteShards(remote, tmp_path / "cache", most)
    held = store.open(shards[0])
    for number, shard in enumerate(shards):
        store.open(shard).close()
        store.open(shards[0]).close()
        for age, path in enumerate(sorted((tmp_path / "cache").iterdir(), key=os.path.getmtime)):
            os.utime(path, (number * 100 + age, number * 100 + age))  # clocks of file systems are coarse
        assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= most
    names = {path.name for path in (tmp_path / "cache").iterdir()}
    fsspec.filesystem("memory").rm("/prepared/train", recursive=True)
    assert len(store.open(shards[0]).read()) == len(held.read()) == shards[0].bytes  # in use all the time, so kept
    assert len(names) == 3
    with pytest.raises(ValueError, match=r"memory://prepared/train/00001.parquet can't be copied to"):
        store.open(shards[1])


def test_a_copy_with_another_checksum_is_refused_and_not_kept(tmp_path: Path, remote: str) -> None:
    shard = shards_of(read_manifest(remote))[2]
    with fsspec.open(f"{remote}/{shard.file}", "r+b") as file:
        file.seek(100)
        file.write(b"\0")
    with pytest.raises(ValueError, match=r"memory://prepared/train/00002.parquet has another checksum"):
        RemoteShards(remote, tmp_path / "cache", 1 << 30).open(shard)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_damaged_remote_shard_is_left_out_if_asked(
    composed: Compose, tmp_path: Path, remote: str, caplog: pytest.LogCaptureFixture
) -> None:
    with fsspec.open(f"{remote}/train/00002.parquet", "wb") as file:
        file.write(b"nothing")
    options = ("data=shards", f"data.path={remote}", f"data_root={tmp_path}", "data.batch_size=4")
    data = on_cpu(build_data(composed(*options, "data.damaged=skip")))
    assert len(list(data.train_dataloader())) == (120 - 8) // 4
    assert "left out: memory://prepared/train/00002.parquet has another checksum" in caplog.text
    with pytest.raises(ValueError, match=r"train/00002.parquet .*leave damaged shards out with data.damaged=skip"):
        list(on_cpu(build_data(composed(*options))).train_dataloader())


def test_a_cache_without_room_for_a_shard_is_refused(composed: Compose, tmp_path: Path, remote: str) -> None:
    options = ("data=shards", f"data.path={remote}", f"data_root={tmp_path}", "data.cache_gb=1e-6")
    with pytest.raises(ValueError, match=r"bytes, and its copies may take 1,073: give a larger data.cache_gb"):
        on_cpu(build_data(composed(*options)))


def read_all(url: str, cache: Path, most: int) -> None:
    store = RemoteShards(url, cache, most)
    for _ in range(3):
        for shard in shards_of(read_manifest(url)):
            assert len(store.open(shard).read()) == shard.bytes


def test_processes_share_a_cache(tmp_path: Path) -> None:
    write_images(tmp_path / "data")
    url, cache = f"file://{tmp_path}/data", tmp_path / "cache"
    most = 4 * max(shard.bytes for shard in shards_of(read_manifest(url)))
    readers = [multiprocessing.get_context("fork").Process(target=read_all, args=(url, cache, most)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
        assert reader.exitcode == 0
    assert 0 < sum(path.stat().st_size for path in cache.iterdir()) <= most
    shutil.rmtree(cache)
