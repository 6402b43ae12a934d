"""Random pixels in the files of CIFAR-10 and MNIST, random words in those of reviews and plays: speed and memory do not
ask what is in a picture or a text."""

from pathlib import Path

import numpy as np

WORDS = 30_000  # different ones

UNCHECKED = "data.source.sha256=null"


def cifar10(root: Path) -> list[str]:
    """Writes 50,000 + 10,000 records; gives the overrides that train on them."""
    rng = np.random.default_rng(0)
    folder = root / "cifar-10-batches-bin"
    if not folder.exists():
        folder.mkdir(parents=True)
        for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
            records = rng.integers(0, 256, (10_000, 3073), dtype=np.uint8)
            records[:, 0] %= 10
            records.tofile(folder / name)
    return ["data=cifar10", f"data.root={root}", UNCHECKED]


def mnist(root: Path) -> list[str]:
    """Writes 60,000 + 10,000 images and labels; gives the overrides that train on them."""
    rng = np.random.default_rng(0)
    folder = root / "mnist"
    if not folder.exists():
        folder.mkdir(parents=True)
        for prefix, count in (("train", 60_000), ("t10k", 10_000)):
            for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
                head = np.array([0x800 + len(shape), *shape], ">u4").tobytes()
                values = rng.integers(0, 256 if len(shape) == 3 else 10, shape, dtype=np.uint8)
                (folder / f"{prefix}-{kind}-ubyte").write_bytes(head + values.tobytes())
    return ["data=mnist", f"data.root={root}", UNCHECKED]


def reviews(root: Path, count: int) -> list[str]:
    """Writes texts as long as IMDB's (median 174 words, mean 231); gives the overrides that train on them."""
    path = root / f"reviews-{count}.csv"
    if not path.exists():
        rng = np.random.default_rng(0)
        lengths = np.clip(np.exp(rng.normal(5.16, 0.75, count)), 10, 2400).astype(int)
        rows = (f"{index % 2},{words(rng, length)}" for index, length in enumerate(lengths))
        path.write_text("label,text\n" + "\n".join(rows) + "\n")
    return ["data=text_files", "tokenizer=word", f"data.path={path}", f"data_root={root}", "data.vocab_size=20000"]


def corpus(root: Path, megabytes: int) -> list[str]:
    """Writes lines of words; gives the overrides that train a language model on them."""
    folder = root / f"corpus-{megabytes}"
    if not folder.exists():
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        with open(folder / "input.txt", "w") as file:
            while file.tell() < megabytes << 20:
                file.writelines(f"{words(rng, 20)}\n" for _ in range(1000))
    return [
        "data=tinyshakespeare", "tokenizer=whitespace", f"data.source.folder={folder}", "data.source.download=null",
        f"data_root={root}", "data.vocab_size=20000", 'data.unknown="<unk>"',
    ]  # fmt: skip


def characters(root: Path) -> list[str]:
    """Writes a million characters of 65 kinds; gives the overrides that train a language model on them."""
    folder = root / "characters"
    if not folder.exists():
        folder.mkdir(parents=True)
        alphabet = np.array([*map(chr, range(ord("A"), ord("A") + 64)), "\n"])
        text = "".join(np.random.default_rng(0).choice(alphabet, 1_115_394).tolist())
        (folder / "input.txt").write_text(text)
    return ["data=tinyshakespeare", f"data.source.folder={folder}", "data.source.download=null", f"data_root={root}"]


def words(rng: np.random.Generator, count: int) -> str:
    """Words by Zipf's law."""
    return " ".join(f"w{index}" for index in np.minimum(rng.zipf(1.3, count), WORDS))
