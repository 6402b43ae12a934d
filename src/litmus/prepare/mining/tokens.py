"""Texts as numbers of tokens: words, and single characters of scripts that don't put spaces between words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Thai and Lao, Burmese, Khmer, Kana, Chinese characters
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
TOKEN = re.compile(f"[{UNSPACED}]|[^\\W{UNSPACED}]+")
ONE = re.compile(f"[{UNSPACED}]")


@dataclass
class Tokens:
    """All tokens one after the other, as places in `words`; text i has those from starts[i] to starts[i + 1]."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    words: list[str]

    @property
    def unspaced(self) -> bool:
        """Whether most tokens are single characters."""
        alone = np.array([ONE.match(word) is not None for word in self.words], bool)
        return bool(len(self.ids)) and bool(alone[self.ids].mean() > 0.5)

    def text_of(self) -> NDArray[np.int32]:
        """The text that each token stands in."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))


def tokenize(texts: Sequence[str]) -> Tokens:
    """Tokens in small letters, numbered as they come."""
    known: dict[str, int] = {}
    parts = []
    for text in texts:
        parts.append(
            np.array([known.setdefault(word, len(known)) for word in TOKEN.findall(text.casefold())], np.int32)
        )
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Tokens(np.concatenate([np.empty(0, np.int32), *parts]), starts, list(known))
