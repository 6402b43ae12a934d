"""ONNX without Litmus, and `litmus serve`, against `litmus predict` on 1,000 real images and texts; a request's time"""

import base64
import csv
import http.client
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.throughput import ROOT

COUNT, TIMED, SOME = 1000, 200, 250
LIMIT = 1e-4
RUNS = {
    "images": ("model=lenet", "data=mnist", "data.train_size=10000"),
    "texts": ("model=text_cnn", "data=sst2", "data.train_size=2000"),
    "texts, recurrent": ("model=lstm", "data=sst2", "data.train_size=2000"),
}


def measure(scratch: Path) -> Iterator[str]:
    data = Path(os.environ.get("LITMUS_DATA", ROOT / "data"))
    images, lines = mnist(scratch, data), sst2(scratch, data)
    for name, overrides in RUNS.items():
        root = scratch / overrides[0].replace("=", "-")
        call("train.py", *overrides, "epochs=1", "threads=1", "logger=csv", f"output_root={root}")
        (run,) = root.iterdir()
        files = images if name == "images" else [lines]
        wanted = table(call("-m", "litmus.cli", "predict", str(run), *map(str, files)))
        said = call("-m", "litmus.cli", "export", str(run), "--format", "onnx", "--check", str(COUNT)).splitlines()
        yield f"{name}: {said[-2]}"
        alone = table(call(str(Path(said[-1]) / "predict.py"), *map(str, files), ours=False))
        yield f"{name}: its predict.py, {compared(alone, wanted)}"
        examples = (
            [base64.b64encode(file.read_bytes()).decode() for file in files]
            if name == "images"
            else lines.read_text("latin-1").splitlines()
        )
        yield from (f"{name}: {line}" for line in served(run, examples, wanted))


def served(run: Path, examples: Sequence[str], wanted: Sequence[tuple[str, float]]) -> Iterator[str]:
    """What a server answers, and how fast."""
    command = [sys.executable, "-m", "litmus.cli", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(server.stdout.readline().rpartition(":")[2]))
        found = [pair for start in range(0, COUNT, SOME) for pair in ask(connection, examples[start : start + SOME])]
        yield f"litmus serve, {compared(found, wanted)}"
        seconds = []
        for example in examples[:TIMED]:
            start_time = time.perf_counter()
            ask(connection, [example])
            seconds.append(time.perf_counter() - start_time)
        low, middle, high = statistics.quantiles(seconds, n=20)[0], statistics.median(seconds), max(seconds)
        yield f"a request of one: median {1e3 * middle:.1f} ms, 5 % below {1e3 * low:.1f}, at most {1e3 * high:.0f}"
        connection.close()
        server.terminate()


def ask(connection: http.client.HTTPConnection, examples: Sequence[str]) -> list[tuple[str, float]]:
    """Label and probability of each example."""
    body = json.dumps({"examples": examples})
    connection.request("POST", "/predict", body, {"content-type": "application/json"})
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    return [(one["class"], one["probability"]) for one in answer["predictions"]]


def compared(found: Sequence[tuple[str, float]], wanted: Sequence[tuple[str, float]]) -> str:
    """In words; the test fails where they are too far apart."""
    assert len(found) == len(wanted) == COUNT
    equal = sum(a == b for (a, _), (b, _) in zip(found, wanted, strict=True))
    largest = max(abs(a - b) for (_, a), (_, b) in zip(found, wanted, strict=True))
    assert equal == COUNT and largest <= LIMIT, (equal, largest)
    return f"{equal} of {COUNT} labels equal, largest difference of a probability {largest:.1e} (wanted {LIMIT:.0e})"


def table(text: str) -> list[tuple[str, float]]:
    """Label and probability of each line."""
    return [(row["class"], float(row["probability"])) for row in csv.DictReader(io.StringIO(text))]


def mnist(scratch: Path, data: Path) -> list[Path]:
    """The first test images as files."""
    from PIL import Image

    from litmus.data.images.idx import Idx

    (scratch / "images").mkdir()
    files = [scratch / "images" / f"{number:04}.png" for number in range(COUNT)]
    pixels, _ = Idx("MNIST", ["mnist", "MNIST/raw"], "", None).load(data, "test")
    for file, image in zip(files, pixels, strict=False):
        Image.fromarray(image[..., 0]).save(file)
    return files


def sst2(scratch: Path, data: Path) -> Path:
    """The first test sentences, one a line."""
    lines = (data / "sentences" / "stsa.binary.test").read_text(encoding="latin-1").splitlines()
    file = scratch / "sentences.txt"
    file.write_text("\n".join(line.partition(" ")[2] for line in lines[:COUNT]) + "\n", "latin-1")
    return file


def call(*words: str, ours: bool = True) -> str:
    """What a Python program prints; without the path to Litmus if it is not to be found."""
    environment = {name: value for name, value in os.environ.items() if ours or name != "PYTHONPATH"}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=ROOT if ours else "/", env=environment, check=True, capture_output=True, text=True
    ).stdout
