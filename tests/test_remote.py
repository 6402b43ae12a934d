"""Files and archives of named data sets: checked, whole or not there, and nothing outside their folder."""

import contextlib
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from litmus.data.remote import RemoteArchive, RemoteFiles, unpack


def write_tar(path: Path, names: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_zip(path: Path, names: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in names.items():
            packed.writestr(name, content)


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_the_wanted_parts_of_an_archive_come_to_stand_in_the_folder(tmp_path: Path, write: object) -> None:
    write(tmp_path / "archive", {"top/train/a.txt": b"a", "top/test/b.txt": b"b", "top/other/c.txt": b"c"})  # type: ignore[operator]
    unpack(tmp_path / "archive", tmp_path / "set", strip=1, wanted=["train", "test/b.txt"])
    found = sorted(str(path.relative_to(tmp_path / "set")) for path in (tmp_path / "set").rglob("*") if path.is_file())
    assert found == ["test/b.txt", "train/a.txt"]


def test_an_archive_without_a_part_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "archive", {"top/train/a.txt": b"a"})
    with pytest.raises(ValueError, match="has no test: it is not the archive that was expected"):
        unpack(tmp_path / "archive", tmp_path / "set", strip=1, wanted=["test"])
    (tmp_path / "archive").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is neither a tar nor a zip archive"):
        unpack(tmp_path / "archive", tmp_path / "set", strip=1, wanted=["test"])


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, write: object) -> None:
    folder = tmp_path / "deep" / "set"
    write(tmp_path / "archive", {"top/train/a.txt": b"a", "../../escaped.txt": b"x"})  # type: ignore[operator]
    with contextlib.suppress(tarfile.TarError, ValueError):
        unpack(tmp_path / "archive", folder, strip=1, wanted=["train"])
    assert not list(tmp_path.rglob("../escaped.txt")) and not (tmp_path / "escaped.txt").exists()
    assert not (tmp_path / "deep" / "escaped.txt").exists()


def test_a_file_that_is_there_is_held_against_its_checksum(tmp_path: Path) -> None:
    checksum = "sha256:" + hashlib.sha256(b"right").hexdigest()
    files = RemoteFiles("https://localhost/nowhere", {"a.txt": checksum})
    (tmp_path / "a.txt").write_bytes(b"right")
    files.fetch("A", tmp_path, ["a.txt"])
    (tmp_path / "a.txt").write_bytes(b"wrong")
    with pytest.raises(ValueError, match=r"a.txt is not the published file, its checksum differs: delete it"):
        files.fetch("A", tmp_path, ["a.txt"])


def test_what_is_there_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    RemoteArchive("https://localhost/nowhere", "md5:0", 1).fetch("A", tmp_path, ["train"])
    with pytest.raises(FileNotFoundError, match="A is not in"):
        RemoteFiles("https://127.0.0.1:9/x", {}).fetch("A", tmp_path, ["a.txt"])
