"""Files that turn out to be damaged while they are read: one sentence with their name."""

from pathlib import Path

import numpy as np
import pytest
from fuzz_files import write_parquet

from litmus.data.series.mnist1d import Mnist1d
from litmus.data.series.numbers import read_numbers
from litmus.data.series.ucr import read_ts
from litmus.data.texts.records import AnyFormat, columns
from litmus.data.texts.tokenizer import Bpe


def test_a_parquet_file_that_is_damaged_behind_a_sound_head_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_parquet(path, {"a": [float(index % 7) for index in range(1000)]})
    content = bytearray(path.read_bytes())
    content[4:40] = bytes(36)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table\.parquet can't be read as Parquet"):
        read_numbers(path, ["a"], gaps=True)
    with pytest.raises(ValueError, match=r"table\.parquet can't be read as Parquet"):
        list(AnyFormat("a", "a").read(path, ["utf-8"]))


def test_line_ends_of_an_old_macintosh_are_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\r1,2\r")
    with pytest.raises(ValueError, match=r"table\.csv:1 is not CSV"):
        columns(path, ["utf-8"])


def test_a_series_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x_TRAIN.ts"
    path.write_bytes("@data\n1,2,3:é\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"x_TRAIN\.ts:1 can't be read as a series"):
        read_ts(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", bytes(2000)])
def test_a_generated_set_that_is_damaged_says_how_it_is_mended(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mnist1d" / "mnist1d.npz"
    path.parent.mkdir()
    np.savez(path, x=np.zeros((2, 40)), y=np.zeros(2))
    assert len(Mnist1d(shuffled=False).load(tmp_path, "train")[1]) == 2
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mnist1d\.npz can't be read .*: delete it to have it generated again"):
        Mnist1d(shuffled=False).load(tmp_path, "train")


def test_a_word_without_an_end_is_learned(tmp_path: Path) -> None:
    word = "x" * 1_000_000
    tokenizer = Bpe(lowercase=False).fit(iter([[f"a b c {word}"]]), 1000, ["[PAD]", "[UNK]"])  # it took minutes
    assert tokenizer.decode(tokenizer.encode(word).ids) == word
