"""A few made-up examples of every data set, in its own file format: what the tests train on without a network."""

import csv
import gzip
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from PIL import Image
from prepared import write_images, write_numbers, write_texts

CONF = Path(__file__).parents[1] / "conf"
Compose = Callable[..., DictConfig]
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
TARGETS = np.arange(20, dtype=np.uint8) % 10
WORDS = ["film", "plot", "actor", "scene", "music", "light", "sound", "story"]


def fake(composed: Compose, root: Path, name: str, *overrides: str) -> DictConfig:
    """The configuration of a data set whose files were made up in `root`, with small batches."""
    begun = any(root.iterdir())
    made = (root / ".overrides").read_text().splitlines() if begun else FAKES.get(name, generates)(root)
    (root / ".overrides").write_text("\n".join(made or []))
    base = [f"data={name.split()[0]}", f"data_root={root}", "data.batch_size=4"]
    config = composed(*base, *(made or []), *overrides)
    if "sha256" in config.data.get("source", {}):
        config.data.source.sha256 = None
    return config


def generates(root: Path) -> list[str]:
    """Nothing to make up: the set makes its own files, as those of `litmus add data` do."""
    return []


def available(*options: str) -> bool:
    """Whether a project has what some options choose; one without the examples lacks most of them."""
    chosen = [option.split("=") for option in options if option.startswith(("data=", "model=", "experiment="))]
    return all((CONF / group / f"{name}.yaml").exists() for group, name in chosen)


def write_folder(root: Path, classes: Sequence[str] = ("cat", "dog"), count: int = 6) -> list[str]:
    """Class folders of pictures of different sizes, formats and modes."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(count):
            mode, suffix = ("RGB", "png") if index % 2 else ("L", "jpg")
            size = (40 + 7 * index, 64)
            Image.new(mode, size, 60 * label if mode == "L" else (60 * label, 0, 0)).save(
                root / name / f"{index}.{suffix}"
            )
    return [f"data.root={root}"]


def sentences(count: int, classes: int) -> list[tuple[int, str]]:
    """Labels and texts whose second word tells the class, each of another length."""
    rng = np.random.default_rng(0)
    return [
        (i % classes, f"the word{i % classes} " + " ".join(rng.choice(WORDS, rng.integers(1, 12))))
        for i in range(count)
    ]


def write_lines(root: Path, classes: int, *names: str) -> list[str]:
    """`label text` lines."""
    (root / "sentences").mkdir()
    for name in names:
        lines = [f"{label} {text}" for label, text in sentences(10 * classes, classes)]
        (root / "sentences" / name).write_text("\n".join(lines) + "\n")
    return ["data.source.download=null"]


def write_text_folders(top: Path, splits: Sequence[str], classes: Sequence[str]) -> list[str]:
    """A folder a class, a file a text."""
    for split in splits:
        for index, (label, text) in enumerate(sentences(5 * len(classes), len(classes))):
            (top / split / classes[label]).mkdir(parents=True, exist_ok=True)
            (top / split / classes[label] / f"{index}.txt").write_text(text)
    return ["data.source.download=null"]


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_news(root: Path) -> list[str]:
    for name in ("train.csv", "test.csv"):
        write_csv(root / "ag_news" / name, [(label + 1, "a title", text) for label, text in sentences(40, 4)])
    return ["data.source.download=null"]


def write_reviews(root: Path) -> list[str]:
    write_csv(root / "reviews.csv", [("label", "text"), *sentences(40, 2)])
    return [f"data.path={root}/reviews.csv"]


def write_corpus(folder: Path, *names: str) -> list[str]:
    folder.mkdir()
    for name in names:
        (folder / name).write_text("\n".join(f" {text} <unk> ." for _, text in sentences(60, 5)) + "\n")
    return ["data.source.download=null", "data.context=8"]


def write_series(path: Path, columns: Sequence[str], rows: int = 400) -> list[str]:
    """Waves, one a column, after a column of dates."""
    steps = np.arange(rows)
    waves = np.stack([np.sin(steps / (3 + index)) for index in range(len(columns))], 1)
    dated = [(f"2020-01-01 {step}", *row) for step, row in enumerate(waves.tolist())]
    write_csv(path, [("date", *columns), *dated])
    return ["data.length=24", "data.horizon=8"]


def write_ett(root: Path, name: str) -> list[str]:
    sizes = write_series(root / "ett" / f"{name}.csv", ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"])
    return [*sizes, "data.train=200", "data.validation=100", "data.test=100"]


def write_ucr(root: Path) -> list[str]:
    """Twenty-four steps up or down."""
    folder = root / "ucr" / "ItalyPowerDemand"
    folder.mkdir(parents=True)
    head = "@problemName x\n@timestamps false\n@univariate true\n@equalLength true\n@classLabel true 1 2\n@data\n"
    ramp = np.linspace(-1, 1, 24)
    lines = [",".join(f"{value:.3f}" for value in ramp * (-1) ** i) + f":{1 + i % 2}" for i in range(40)]
    for split in ("TRAIN", "TEST"):
        (folder / f"ItalyPowerDemand_{split}.ts").write_text(head + "\n".join(lines) + "\n")
    return []


def write_table(root: Path) -> list[str]:
    rows = np.random.default_rng(0).normal(size=(60, 4)).round(3)
    table = [(*row, 3 + 2 * row[0] - row[1]) for row in rows.tolist()]
    write_csv(root / "table.csv", [("a", "b", "c", "d", "price"), *table])
    return [f"data.path={root}/table.csv", "data.target=price"]


def cifar_bytes(images: np.ndarray, labels: np.ndarray) -> bytes:
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([labels[:, None], planes], 1).tobytes()


def write_cifar(folder: Path) -> dict[str, bytes]:
    content = {
        "data_batch_1.bin": cifar_bytes(PIXELS[:8], TARGETS[:8]),
        "data_batch_2.bin": cifar_bytes(PIXELS[8:16], TARGETS[8:16]),
        "test_batch.bin": cifar_bytes(PIXELS[16:], TARGETS[16:]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return content


def write_idx(folder: Path, zipped: bool) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = {}
    for split, part in (("train", slice(0, 15)), ("t10k", slice(15, 20))):
        images, labels = PIXELS[part, :28, :28, 0], TARGETS[part]
        for name, array, magic in (
            (f"{split}-images-idx3-ubyte", images, 0x803),
            (f"{split}-labels-idx1-ubyte", labels, 0x801),
        ):
            content = np.array([magic, *array.shape], ">u4").tobytes() + array.tobytes()
            sha256[name] = hashlib.sha256(content).hexdigest()
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
    return sha256


def write_cifar10(root: Path) -> list[str]:
    for index in range(1, 6):
        (root / f"data_batch_{index}.bin").write_bytes(write_cifar(root)["data_batch_1.bin"])
    return [f"data.root={root}"]


def write_cifar100(root: Path) -> list[str]:
    for split in ("train", "test"):
        (root / f"{split}.bin").write_bytes(np.full((8, 3074), 99, np.uint8).tobytes())
    return [f"data.root={root}"]


def write_digits(root: Path, zipped: bool) -> list[str]:
    write_idx(root, zipped)
    return [f"data.root={root}"]


FAKES: dict[str, Callable[[Path], list[str]]] = {  # the first word is the file in conf/data
    "20newsgroups": lambda root: write_text_folders(
        root / "20newsgroups", ["20news-bydate-train", "20news-bydate-test"], NEWSGROUPS
    ),
    "adding_problem": lambda root: ["data.source.train=200", "data.source.test=20", "data.length=20"],
    "ag_news": write_news,
    "cifar10": write_cifar10,
    "cifar100": write_cifar100,
    "diabetes": lambda root: [],
    "digits": lambda root: [],
    "etth1": lambda root: write_ett(root, "ETTh1"),
    "etth2": lambda root: write_ett(root, "ETTh2"),
    "ettm1": lambda root: write_ett(root, "ETTm1"),
    "ettm2": lambda root: write_ett(root, "ETTm2"),
    "fashion_mnist": lambda root: write_digits(root, zipped=True),
    "image_folder": write_folder,
    "imdb": lambda root: write_text_folders(root / "aclImdb", ["train", "test"], ["neg", "pos"]),
    "mnist": lambda root: write_digits(root, zipped=False),
    "mnist1d": lambda root: [],
    "modular_arithmetic": lambda root: [],
    "mr": lambda root: write_lines(root, 2, "rt-polarity.all"),
    "ptb": lambda root: write_corpus(root / "ptb", "ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
    "series_file": lambda root: [*write_series(root / "own.csv", ["x", "y"]), f"data.path={root}/own.csv"],
    "shards": lambda root: write_images(root / "prepared"),
    "shards of numbers": lambda root: write_numbers(root / "prepared"),
    "shards of texts": lambda root: write_texts(root / "prepared"),
    "sst2": lambda root: write_lines(root, 2, *(f"stsa.binary.{split}" for split in ("train", "dev", "test"))),
    "table": write_table,
    "text_files": write_reviews,
    "tinyshakespeare": lambda root: write_corpus(root / "tinyshakespeare", "input.txt"),
    "trec": lambda root: write_lines(root, 6, "TREC.train.all", "TREC.test.all"),
    "ucr": write_ucr,
    "wikitext2": lambda root: write_corpus(
        root / "wikitext-2", *(f"wiki.{split}.tokens" for split in ("train", "valid", "test"))
    ),
}
NEWSGROUPS = [
    "alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware", "comp.sys.mac.hardware",
    "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles", "rec.sport.baseball", "rec.sport.hockey",
    "sci.crypt", "sci.electronics", "sci.med", "sci.space", "soc.religion.christian", "talk.politics.guns",
    "talk.politics.mideast", "talk.politics.misc", "talk.religion.misc",
]  # fmt: skip
