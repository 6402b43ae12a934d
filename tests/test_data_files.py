"""Files of the named data sets: read as published, refused when they are not, downloaded whole or not at all."""

import gzip
import hashlib
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from fakes import PIXELS, TARGETS, cifar_bytes, write_cifar, write_idx

from litmus.data.images.cifar import Cifar
from litmus.data.images.idx import IMAGES, LABELS, Idx


def cifar(**changes: Any) -> Cifar:
    return Cifar(
        **{
            "name": "CIFAR-10",
            "folder": "cifar-10-batches-bin",
            "train": ["data_batch_1.bin", "data_batch_2.bin"],
            "test": ["test_batch.bin"],
            "label_bytes": 1,
            "url": "https://localhost:1/cifar-10-binary.tar.gz",
            "checksum": "md5:0",
            "sha256": {},
            **changes,
        }
    )


class RangeHandler(SimpleHTTPRequestHandler):
    """Serves a folder; knows `Range: bytes=START-`, and keeps what was asked."""

    ranges: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.ranges.append(wanted)
        if wanted is None:
            super().do_GET()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        rest = content[int(wanted.removeprefix("bytes=").rstrip("-")) :]
        self.send_response(206)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("Content-Range", f"bytes {len(content) - len(rest)}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(rest)

    def log_message(self, *_: Any) -> None:
        """Nothing on the screen."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on loopback and the folder it shows."""
    shown = tmp_path / "shown"
    shown.mkdir()
    RangeHandler.ranges.clear()
    http = HTTPServer(("127.0.0.1", 0), partial(RangeHandler, directory=str(shown)))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}", shown
    http.shutdown()


def pack(path: Path, content: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> str:
    """A tar.gz archive with these files; gives its checksum."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = len(data) if kind == tarfile.REGTYPE else 0, kind
            info.linkname = "/etc/passwd" if kind == tarfile.SYMTYPE else ""
            tar.addfile(info, io.BytesIO(data))
    return f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"


@pytest.mark.parametrize("folder", ["cifar-10-batches-bin", ""])
def test_cifar_is_read_record_by_record(tmp_path: Path, folder: str) -> None:
    write_cifar(tmp_path / folder)
    source = cifar()
    source.prepare(tmp_path)
    images, labels = source.load(tmp_path, "train")
    assert np.array_equal(images, PIXELS[:16]) and np.array_equal(labels, TARGETS[:16])
    images, labels = source.load(tmp_path, "test")
    assert np.array_equal(images, PIXELS[16:]) and np.array_equal(labels, TARGETS[16:])


def test_of_two_labels_the_fine_one_is_used(tmp_path: Path) -> None:
    fine = cifar_bytes(PIXELS[:2], np.array([42, 99], np.uint8))
    coarse_and_fine = b"".join(b"\x07" + fine[i * 3073 : (i + 1) * 3073] for i in range(2))
    (tmp_path / "train.bin").write_bytes(coarse_and_fine)
    (tmp_path / "test.bin").write_bytes(coarse_and_fine)
    images, labels = cifar(train=["train.bin"], test=["test.bin"], label_bytes=2).load(tmp_path, "train")
    assert labels.tolist() == [42, 99] and np.array_equal(images, PIXELS[:2])


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    content = write_cifar(tmp_path)
    (tmp_path / "data_batch_2.bin").write_bytes(content["data_batch_2.bin"][:-1])
    with pytest.raises(ValueError, match=r"data_batch_2.bin is truncated: 24583 bytes"):
        cifar().load(tmp_path, "train")


def test_one_altered_byte_is_refused(tmp_path: Path) -> None:
    content = write_cifar(tmp_path)
    official = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    altered = bytearray(content["data_batch_1.bin"])
    altered[100] ^= 1
    (tmp_path / "data_batch_1.bin").write_bytes(altered)
    with pytest.raises(ValueError, match=r"data_batch_1.bin is not the official file"):
        cifar(sha256=official).load(tmp_path, "train")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw", ""])
def test_idx_is_read_gzipped_or_not(tmp_path: Path, folder: str, zipped: bool) -> None:
    sha256 = write_idx(tmp_path / folder, zipped)
    source = Idx("MNIST", ["mnist", "MNIST/raw"], "https://localhost:1", sha256)
    source.prepare(tmp_path)
    images, labels = source.load(tmp_path, "test")
    assert np.array_equal(images[..., 0], PIXELS[15:, :28, :28, 0]) and np.array_equal(labels, TARGETS[15:])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[:-1], "truncated"),
        (lambda data: data + b"x", "too long"),
        (lambda data: b"\x00\x00\x08\x02" + data[4:], "not an IDX file"),
        (lambda data: b"", "not an IDX file"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "not the official file"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path: Path, damage: Any, sentence: str) -> None:
    sha256 = write_idx(tmp_path, zipped=False)
    path = tmp_path / IMAGES["train"]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=sentence):
        Idx("MNIST", [], "", sha256).load(tmp_path, "train")


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    sha256 = write_idx(tmp_path, zipped=True)
    path = tmp_path / f"{IMAGES['train']}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="can't be read"):
        Idx("MNIST", [], "", sha256).load(tmp_path, "train")


def test_any_flipped_byte_of_a_gzip_file_is_refused(tmp_path: Path) -> None:
    sha256 = write_idx(tmp_path, zipped=True)
    path = tmp_path / f"{LABELS['train']}.gz"
    whole = path.read_bytes()
    for position in range(10, len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=str(path.name)):
            Idx("MNIST", [], "", sha256).load(tmp_path, "train")


def test_an_archive_is_downloaded_checked_and_extracted(tmp_path: Path, server: tuple[str, Path]) -> None:
    url, shown = server
    content = write_cifar(tmp_path / "original")
    checksum = pack(shown / "cifar.tar.gz", {f"cifar-10-batches-bin/{name}": data for name, data in content.items()})
    source, root = cifar(url=f"{url}/cifar.tar.gz", checksum=checksum), tmp_path / "data"
    source.prepare(root)
    (shown / "cifar.tar.gz").unlink()
    source.prepare(root)  # it stands: no network is touched
    assert np.array_equal(source.load(root, "train")[0], PIXELS[:16])
    assert not list(root.glob("*.gz*"))


def test_gzipped_idx_files_are_downloaded_and_checked(tmp_path: Path, server: tuple[str, Path]) -> None:
    url, shown = server
    source, root = Idx("MNIST", ["mnist"], url, write_idx(shown, zipped=True)), tmp_path / "data"
    source.prepare(root)
    assert len(source.load(root, "train")[1]) == 15
    (shown / f"{LABELS['test']}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(ValueError, match="checksum differs"):
        source.prepare(tmp_path / "other")
    assert not (tmp_path / "other" / "mnist" / f"{LABELS['test']}.gz").exists()


def test_a_download_goes_on_where_it_stopped(tmp_path: Path, server: tuple[str, Path]) -> None:
    url, shown = server
    content = write_cifar(tmp_path / "original")
    checksum = pack(shown / "cifar.tar.gz", {f"cifar-10-batches-bin/{name}": data for name, data in content.items()})
    root = tmp_path / "data"
    root.mkdir()
    (root / ".cifar-10-batches-bin-cifar.tar.gz.part").write_bytes((shown / "cifar.tar.gz").read_bytes()[:1000])
    source = cifar(url=f"{url}/cifar.tar.gz", checksum=checksum)
    source.prepare(root)
    assert len(source.load(root, "test")[1]) == 4
    assert RangeHandler.ranges == ["bytes=1000-"]


def test_another_archive_is_refused_and_deleted(tmp_path: Path, server: tuple[str, Path]) -> None:
    url, shown = server
    pack(shown / "cifar.tar.gz", {"cifar-10-batches-bin/data_batch_1.bin": b"x"})
    with pytest.raises(ValueError, match="checksum differs"):
        cifar(url=f"{url}/cifar.tar.gz").prepare(tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_an_archive_that_lacks_a_file_leaves_nothing(tmp_path: Path, server: tuple[str, Path]) -> None:
    url, shown = server
    checksum = pack(shown / "cifar.tar.gz", {"cifar-10-batches-bin/data_batch_1.bin": b"x"})
    with pytest.raises(ValueError, match=r"has no data_batch_2.bin"):
        cifar(url=f"{url}/cifar.tar.gz", checksum=checksum).prepare(tmp_path / "data")
    assert not (tmp_path / "data" / "cifar-10-batches-bin").exists()


def test_a_link_in_an_archive_is_refused(tmp_path: Path, server: tuple[str, Path]) -> None:
    url, shown = server
    names = ["data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"]
    checksum = pack(shown / "cifar.tar.gz", {f"cifar-10-batches-bin/{name}": b"" for name in names}, tarfile.SYMTYPE)
    with pytest.raises(ValueError, match="not a regular file"):
        cifar(url=f"{url}/cifar.tar.gz", checksum=checksum).prepare(tmp_path / "data")


def test_without_files_and_network_one_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    with pytest.raises(FileNotFoundError) as error:
        cifar().prepare(tmp_path)
    sentence = str(error.value)
    assert "CIFAR-10 is not in" in sentence and f"{tmp_path}/cifar-10-batches-bin" in sentence
    assert "Name or service not known" in sentence and "data.root=FOLDER" in sentence and "data=digits" in sentence
    assert list(tmp_path.iterdir()) == []
