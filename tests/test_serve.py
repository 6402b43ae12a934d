"""`litmus serve`: the answers are those of `litmus predict`, and whatever comes is answered in one sentence."""

import base64
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig
from PIL import Image
from test_export import run_of

from litmus.cli import main
from litmus.data.images.digits import Digits
from litmus.inference import predict

ROOT = Path(__file__).parents[1]
Compose = Callable[..., DictConfig]


class Server:
    """`litmus serve` in a process of its own."""

    def __init__(self, run: Path, *options: str) -> None:
        command = [sys.executable, "-m", "litmus.cli", "serve", str(run), "--port", "0", *options]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith(f"{run.name} answers at http://127.0.0.1:"), self.process.communicate()
        self.port = int(said.rpartition(":")[2])

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content)

    def predict(self, examples: Any) -> tuple[int, Any]:
        return self.ask("POST", "/predict", json.dumps({"examples": examples}).encode())

    def stop(self, signum: int) -> tuple[int, str]:
        """Its exit code, and what it said on stderr."""
        self.process.send_signal(signum)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture(scope="module")
def served() -> Iterator[list[tuple[Path, Server]]]:
    """The one that most tests ask, once it is there."""
    found: list[tuple[Path, Server]] = []
    yield found
    for _, server in found:
        if server.process.poll() is None:
            server.stop(signal.SIGTERM)


@pytest.fixture
def images(
    composed: Compose, served: list[tuple[Path, Server]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Server]:
    """A run on digits, and its server."""
    if not served:
        root = tmp_path_factory.mktemp("images") / "data"
        run = run_of(composed, root, "digits", "model.channels=[4,4]", "model.hidden=8", "data.batch_size=100")
        served.append((run, Server(run, "--most", "20", "--megabytes", "0.5")))
    return served[0]


def png(pixels: Any, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def in_base64(file: bytes) -> str:
    return base64.b64encode(file).decode()


def bomb(side: int) -> bytes:
    """A small PNG file that says it has so many pixels a side."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def test_answers_are_those_of_predict(images: tuple[Path, Server], tmp_path: Path) -> None:
    run, server = images
    files = [tmp_path / f"{index}.png" for index in range(20)]
    for file, image in zip(files, Digits().load(Path(), "test")[0], strict=False):
        file.write_bytes(png(image[..., 0]))
    status, found = server.predict([in_base64(file.read_bytes()) for file in files])
    wanted = [row[1:] for row in predict(run, files)][1:]
    assert status == 200 and len(found["predictions"]) == 20
    for prediction, (label, probability) in zip(found["predictions"], wanted, strict=True):
        assert prediction == {"class": label, "probability": pytest.approx(float(probability), abs=1e-5)}
    with ThreadPoolExecutor(8) as pool:  # in any order, at once
        alone = list(pool.map(lambda file: server.predict([in_base64(file.read_bytes())]), files))
    for (status, one), prediction in zip(alone, found["predictions"], strict=True):
        label, probability = prediction["class"], pytest.approx(prediction["probability"], abs=1e-5)
        assert status == 200 and one["predictions"] == [{"class": label, "probability": probability}]


def test_it_says_what_it_is(images: tuple[Path, Server]) -> None:
    run, server = images
    assert server.ask("GET", "/health") == (200, {"status": "ok"})
    status, about = server.ask("GET", "/")
    assert status == 200 and about["run"] == run.name and about["input"]["kind"] == "image"
    assert about["labels"] == [str(digit) for digit in range(10)] and about["predictions"] == ["class", "probability"]
    assert about["limits"] == {"examples": 20, "megabytes": 0.5, "megapixels": 64, "characters": 100_000}


WHITE = np.full((8, 8), 255, np.uint8)
BAD: list[tuple[str, bytes, int, str]] = [
    ("nothing", b"", 422, "the body"),
    ("no JSON", b"{", 422, "JSON"),
    ("no UTF-8", b'{"examples": ["\xff\xfe"]}', 400, "body"),
    ("no object", b"[1, 2]", 422, "the body: Input should be a valid dictionary"),
    ("another key", b'{"example": ["x"]}', 422, "examples"),
    ("a key too many", b'{"examples": ["x"], "more": 1}', 422, "more"),
    ("no list", b'{"examples": "x"}', 422, "list"),
    ("an empty list", b'{"examples": []}', 422, "at least 1"),
    ("numbers", b'{"examples": [1, NaN, 1e400, true]}', 422, "examples.0"),
    ("null", b'{"examples": [null]}', 422, "examples.0"),
    ("half a character", b'{"examples": ["\\ud800"]}', 422, "examples.0"),
    ("no base64", b'{"examples": ["***"]}', 422, "examples.0: it is not base64"),
    ("other letters", '{"examples": ["é"]}'.encode(), 422, "examples.0: it is not base64"),
    ("no image", json.dumps({"examples": [in_base64(b"GIF89a?")]}).encode(), 422, "examples.0: it can't be read"),
    ("half an image", json.dumps({"examples": [in_base64(png(WHITE)[:50])]}).encode(), 422, "examples.0: it can't"),
    ("PostScript", json.dumps({"examples": [in_base64(b"%!PS-Adobe-3.0 EPSF-3.0\n")]}).encode(), 422, "can't be read"),
    ("a bomb", json.dumps({"examples": [in_base64(bomb(9000))]}).encode(), 422, "more than 64 megapixels"),
    ("a larger one", json.dumps({"examples": [in_base64(bomb(60000))]}).encode(), 422, "examples.0: it can't be read"),
    ("too many", json.dumps({"examples": [in_base64(png(WHITE))] * 21}).encode(), 422, "at most 20"),
    ("too long", b'{"examples": ["' + b"A" * 600_000 + b'"]}', 413, "more than 0.5 MB"),
    ("too deep", b"[" * 100_000, 400, "body"),
    ("a long number", b'{"examples": [' + b"9" * 5000 + b"]}", 400, "body"),
]


@pytest.mark.parametrize(("body", "status", "sentence"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_wrong_is_one_sentence(images: tuple[Path, Server], body: bytes, status: int, sentence: str) -> None:
    found, answer = images[1].ask("POST", "/predict", body)
    assert (found, list(answer)) == (status, ["error"]), answer
    assert sentence in answer["error"] and "\n" not in answer["error"] and len(answer["error"]) <= 300


def test_requests_of_other_kinds_are_refused(images: tuple[Path, Server]) -> None:
    server = images[1]
    good = json.dumps({"examples": [in_base64(png(WHITE))]}).encode()
    assert server.ask("GET", "/predict")[0] == 405 and server.ask("GET", "/no")[0] == 404
    assert server.ask("POST", "/predict", good, **{"content-type": "text/plain"})[0] == 422
    with socket.create_connection(("127.0.0.1", server.port), 60) as line:  # as a page would, whose name was bent
        line.sendall(b"GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert b" 400 " in line.recv(1000)
    with socket.create_connection(("127.0.0.1", server.port), 60) as line:  # without saying how long it is
        line.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        line.sendall(
            b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 9 + b"0\r\n\r\n"
        )
        assert b" 413 " in line.recv(1000)
    with socket.create_connection(("127.0.0.1", server.port), 60) as line:
        line.sendall(bytes(range(256)) + b"\r\n\r\n")
        assert b" 400 " in line.recv(1000)


def test_random_bytes_never_break_it(images: tuple[Path, Server]) -> None:
    server, rng = images[1], np.random.default_rng(0)
    good = json.dumps({"examples": [in_base64(png(WHITE))]}).encode()
    assert server.ask("POST", "/predict", good)[0] == 200
    for _ in range(60):
        body = bytearray(good)
        for place in rng.integers(0, len(body), rng.integers(1, 6)):
            body[place] = rng.integers(0, 256)
        status, answer = server.ask("POST", "/predict", bytes(body))
        assert status in (200, 400, 422) and list(answer) in (["predictions"], ["error"])
    assert server.ask("GET", "/health")[0] == 200 and server.process.poll() is None


def test_a_port_in_use_is_one_sentence(images: tuple[Path, Server], capsys: pytest.CaptureFixture[str]) -> None:
    run, server = images
    for options, sentence in (
        (["--port", str(server.port)], "can't be listened on"),
        (["--port", "99999"], "is not from 0 to 65535"),
        (["--most", "0"], "--most 0 is not from 1"),
        (["--megabytes", "nan"], "--megabytes nan is not above 0"),
        (["--host", "no.such.host.invalid"], "can't be listened on"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["serve", str(run), *options])
        errors = capsys.readouterr().err
        assert stop.value.code == 1 and sentence in errors and errors.count("\n") == 1


def test_a_signal_stops_it_cleanly(images: tuple[Path, Server]) -> None:
    """The last test of the server that the others asked: it said nothing on its stderr in all that time."""
    assert images[1].stop(signal.SIGTERM) == (0, "")


@pytest.mark.slow
def test_texts_and_series_are_served_in_their_own_units(composed: Compose, tmp_path: Path) -> None:
    texts = run_of(composed, tmp_path / "texts", "sst2", "model=text_cnn", "model.maps=4", "stem.grid.width=8")
    lines = ["the word0 film", "the word1 story and music", "unheard-of"]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    server = Server(texts)
    status, found = server.predict(lines)
    wanted = [row[1:] for row in predict(texts, [tmp_path / "lines.txt"])][1:]
    assert status == 200 and [one["class"] for one in found["predictions"]] == [row[0] for row in wanted]
    assert [one["probability"] for one in found["predictions"]] == pytest.approx(
        [float(row[1]) for row in wanted], abs=1e-5
    )
    assert server.predict(["x" * 100_001])[0] == 422 and server.predict(["", " \n", "\u0000"])[0] == 200
    assert server.stop(signal.SIGINT) == (0, "")

    series = run_of(composed, tmp_path / "series", "series_file", "model=nlinear")
    server = Server(series)
    past = [[float(step), -float(step)] for step in range(30)]
    (tmp_path / "past.csv").write_text("x,y\n" + "".join(f"{a},{b}\n" for a, b in past))
    status, found = server.predict([past])
    wanted = [row[1:] for row in predict(series, [tmp_path / "past.csv"])]
    assert status == 200 and [list(step) for step in found["predictions"][0]] == [["step", "x", "y"]] * 8
    values = [[step[name] for name in wanted[0]] for step in found["predictions"][0]]
    assert np.allclose(values, [[float(cell) for cell in row] for row in wanted[1:]], rtol=1e-4)
    for given in (
        [past[:3]],
        [[1.0, 2.0]],
        [[[1.0]] * 30],
        [[[1, None]] * 30],
        [[["1", "2"]] * 30],
        [[[1e300, 1]] * 30],
    ):
        status, answer = server.predict(given)
        assert status == 422 and answer["error"].startswith("examples.0")
    assert server.predict([[[3e38, -3e38]] * 29 + [[-3e38, 3e38]]])[0] == 422  # the network overflows
    assert server.stop(signal.SIGINT) == (0, "")


def test_a_language_model_is_not_served(composed: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("model=gpt", "model.width=16", "model.layers=1", "data.epoch_steps=2")
    run = run_of(composed, tmp_path / "data", "tinyshakespeare", *options)
    with pytest.raises(SystemExit):
        main(["serve", str(run), "--port", "0"])
    assert "litmus generate" in capsys.readouterr().err
