"""Files and archives of named data sets: checked, whole or not there, and nothing outside their folder."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from litmus.data import download
from litmus.data.archive import unpack
from litmus.data.download import fetch
from litmus.data.remote import RemoteArchive, RemoteFiles

CONTENT = bytes(range(256)) * 1600
BROKEN = 3 * download.CHUNK
Answer = Callable[[BaseHTTPRequestHandler, str | None], None]


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


@pytest.mark.parametrize("file", ["../x", "/tmp/x", "a/../../x"])
def test_a_download_stays_in_its_folder(tmp_path: Path, file: str) -> None:
    with pytest.raises(ValueError, match="would be downloaded to outside of"):
        RemoteFiles("https://localhost/nowhere", {}).fetch("A", tmp_path / "set", [file])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[str, list[str | None]]]]:
    """Starts web servers on loopback that give one answer after the other; each keeps the ranges it was asked for."""
    monkeypatch.setattr(download, "PAUSES", (0.01, 0.01, 0.01))
    started: list[HTTPServer] = []

    def start(*answers: Answer) -> tuple[str, list[str | None]]:
        asked: list[str | None] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                asked.append(wanted)
                answers[min(len(asked), len(answers)) - 1](self, wanted)

            def log_message(self, *_: object) -> None:
                """Nothing on the screen."""

        http = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        started.append(http)
        return f"http://127.0.0.1:{http.server_port}/file", asked

    yield start
    for http in started:
        http.shutdown()
        http.server_close()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def whole(handler: BaseHTTPRequestHandler, wanted: str | None) -> None:
    start = int((wanted or "bytes=0-").removeprefix("bytes=").rstrip("-"))
    rest = CONTENT[start:]
    place = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if wanted else {}
    answer(handler, 206 if wanted else 200, rest, Content_Length=str(len(rest)), **place)


def broken(handler: BaseHTTPRequestHandler, wanted: str | None) -> None:
    """Promises all and hangs up in the middle."""
    answer(handler, 200, CONTENT[:BROKEN], Content_Length=str(len(CONTENT)))


def with_status(status: int) -> Answer:
    return lambda handler, _: answer(handler, status, b"", Content_Length="0")


def to(address: str) -> Answer:
    return lambda handler, _: answer(handler, 302, b"", Location=address, Content_Length="0")


def test_a_connection_that_breaks_goes_on_where_it_broke(tmp_path: Path, server: Callable[..., tuple]) -> None:
    url, asked = server(broken, with_status(503), whole)
    fetch(url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT and asked == [None, f"bytes={BROKEN}-", f"bytes={BROKEN}-"]
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_connection_that_always_breaks_keeps_what_came_for_the_next_time(
    tmp_path: Path, server: Callable[..., tuple]
) -> None:
    url, asked = server(broken, with_status(500))
    with pytest.raises(OSError, match="500"):
        fetch(url, tmp_path / "file")
    assert len(asked) == 4 and (tmp_path / "file.part").read_bytes() == CONTENT[:BROKEN]


def test_what_the_server_does_not_have_is_asked_for_once(tmp_path: Path, server: Callable[..., tuple]) -> None:
    url, asked = server(with_status(404))
    with pytest.raises(FileNotFoundError, match=r"A is not in .* can't be reached .*404"):
        RemoteFiles(url, {}).fetch("A", tmp_path, ["a.txt"])
    assert len(asked) == 1 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "second",
    [
        lambda handler, wanted: answer(handler, 206, b"x" * 10, Content_Range="bytes 7-16/17", Content_Length="10"),
        lambda handler, wanted: answer(handler, 416, b"", Content_Range="bytes */17", Content_Length="0"),
        lambda handler, wanted: whole(handler, None),
    ],
    ids=["it gives another place", "it has less than came", "it knows no places"],
)
def test_a_server_that_does_not_go_on_is_asked_for_all(
    tmp_path: Path, server: Callable[..., tuple], second: Answer
) -> None:
    url, _ = server(broken, second, whole)
    fetch(url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def endless(handler: BaseHTTPRequestHandler, wanted: str | None) -> None:
    """Declares no size, and does not stop."""
    answer(handler, 200, CONTENT)
    try:
        while True:
            handler.wfile.write(CONTENT)
    except OSError:
        return  # the other side has hung up


def zipped(handler: BaseHTTPRequestHandler, wanted: str | None) -> None:
    """Compresses though it was asked not to."""
    body = gzip.compress(bytes(10_000_000))
    answer(handler, 200, body, Content_Encoding="gzip", Content_Length=str(len(body)))


@pytest.mark.parametrize("hostile", [endless, zipped])
def test_more_than_was_declared_is_not_taken(
    tmp_path: Path, server: Callable[..., tuple], monkeypatch: pytest.MonkeyPatch, hostile: Answer
) -> None:
    monkeypatch.setattr(download, "LARGEST", 3_000_000)
    url, asked = server(hostile)
    with pytest.raises(ValueError, match=r"sends more than .* bytes: it was stopped"):
        fetch(url, tmp_path / "file")
    assert len(asked) == 1 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/x",
        "http://127.0.0.1.example.org/x",
        "http://127.0.0.1:80@example.org/x",
        "http://localhost.example.org/x",
        "HTTP://EXAMPLE.ORG/x",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "//example.org/x",
    ],
)
@pytest.mark.parametrize("redirected", [False, True], ids=["asked for", "after a redirect"])
def test_nothing_comes_over_an_open_line(
    tmp_path: Path, server: Callable[..., tuple], address: str, redirected: bool
) -> None:
    url = server(to(address))[0] if redirected else address
    with pytest.raises((ValueError, OSError), match=r"downloads are over https|Invalid URL|No connection adapters"):
        fetch(url, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
