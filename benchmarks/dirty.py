"""Dirty sources of any size with a known truth: what `litmus prepare` should find in them is planted, and written down.

Records are made of sentences of real texts (or of made-up words), so that two of them have next to nothing in common
unless they were meant to.
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KINDS = {  # of planted records: share, and the reason that they should be rejected for; None: kept
    "same": (0.04, "duplicate"),
    "same but for case and spaces": (0.01, "duplicate"),
    "nearly the same": (0.03, "near_duplicate"),
    "half the same": (0.01, None),
    "mojibake": (0.01, None),
    "tags": (0.01, None),
    "broken line": (0.005, "malformed"),
    "bad bytes": (0.002, "encoding"),
    "no text": (0.003, "missing"),
    "unknown class": (0.003, "class"),
    "two labels": (0.002, "conflict"),
    "leak": (0.002, "leak"),
    "nearly a leak": (0.001, "leak"),
}
CLASSES = ("no", "yes")
RECIPE = """
columns:
  text: {type: text, min: 1}
  label: {type: label, values: ["no", "yes"]}
target: label
sources:
  table: {files: ["*.csv", "*.csv.gz"], columns: {text: review, label: stars}, values: {label: {"1": "no", "5": "yes"}}}
  lines: {files: ["*.jsonl", "*.jsonl.gz"], columns: {text: body, label: verdict}}
  benchmark: {files: held.json, columns: {text: body, label: verdict}, split: test}
"""  # what brings them together; held.json has the texts that are held out
ACCENTS = "Café déjà vu — naïve, ça va; über. "
SENTENCES = (4, 12)  # in a record


class Dirt:
    """Writes one file after the other; the same seed gives the same files.

    Args:
        sentences: What records are made of.
        held_out: Texts of an evaluation set, of which some leak.
    """

    def __init__(self, sentences: Sequence[str], held_out: Sequence[str], seed: int) -> None:
        self.sentences, self.held_out = sentences, held_out
        self.random = random.Random(seed)
        self.earlier: list[tuple[str, str]] = []  # clean texts and labels that may be repeated

    def text(self) -> str:
        count = self.random.randint(*SENTENCES)
        return " ".join(self.random.choice(self.sentences) for _ in range(count))

    def write(self, path: Path, size: int) -> list[dict[str, Any]]:
        """A CSV file, or JSON lines, of about so many bytes; the suffix .gz compresses. Returns a row a planted record:
        file, line, kind, and what text should come of it where one should."""
        truth = []
        opener: Any = gzip.open if path.suffix == ".gz" else open
        is_csv = ".csv" in path.suffixes
        with opener(path, "wb") as file:
            line, written = 1, 0
            if is_csv:
                file.write(b"review,stars\n")
                line += 1
            while written < size:
                for content, kind, clean in self._records(is_csv):
                    if kind is not None:
                        truth.append({"file": path.name, "line": line, "kind": kind, "text": clean})
                    file.write(content)
                    written += len(content)
                    line += 1
        return truth

    def _records(self, is_csv: bool) -> list[tuple[bytes, str | None, str | None]]:
        """One record, or two that belong together: its bytes, its kind, what should come of its text."""
        draw, kind = self.random.random(), None
        for name, (share, _) in KINDS.items():
            if draw < share:
                kind = name
                break
            draw -= share
        label = self.random.choice(CLASSES)
        text = self.text()
        old = self.random.choice(self.earlier) if self.earlier else None
        if kind in ("same", "same but for case and spaces", "nearly the same", "half the same") and old is None:
            kind = None
        if kind is None:
            if len(self.earlier) < 5000:
                self.earlier.append((text, label))
            elif self.random.random() < 0.05:
                self.earlier[self.random.randrange(5000)] = (text, label)
        clean: str | None = None
        if old is not None and kind == "same":
            text, label = old
        elif old is not None and kind == "same but for case and spaces":
            text, label = old[0].upper().replace(" ", "  "), old[1]
        elif old is not None and kind == "nearly the same":
            text, label = self._nearly(old[0]), old[1]
        elif old is not None and kind == "half the same":
            words = old[0].split()
            text, label = f"{' '.join(words[: len(words) // 2])} {text[: len(old[0]) // 2]}", old[1]
        elif kind == "mojibake":
            clean = ACCENTS + text
            text = clean.encode().decode("cp1252", "ignore") if self._survives(clean) else text
        elif kind == "tags":
            clean = text
            text = f"<p class='x'><b>{text.replace(' ', '&nbsp;', 1)}</b></p>"
            clean = " ".join(clean.split())
        elif kind == "no text":
            text = ""
        elif kind == "unknown class":
            label = "maybe"
        elif kind == "two labels":
            other = CLASSES[1 - CLASSES.index(label)]
            return [(self._line(is_csv, text, each), kind, None) for each in (label, other)]
        elif kind == "leak":
            text = self.random.choice(self.held_out)
        elif kind == "nearly a leak":
            text = self._nearly(self.random.choice(self.held_out))
        content = self._line(is_csv, text, label)
        if kind == "broken line":
            content = self._broken(content, is_csv)
        elif kind == "bad bytes":
            content = content[:10] + b"\xff\xfe\x80" + content[10:]
        return [(content, kind, clean)]

    def _nearly(self, text: str) -> str:
        """One word in 60 is another one, at least one."""
        words = text.split()
        for _ in range(max(1, len(words) // 60)):
            words[self.random.randrange(len(words))] = f"word{self.random.randrange(10**6)}"
        return " ".join(words)

    def _survives(self, text: str) -> bool:
        try:
            return text.encode().decode("cp1252").encode("cp1252").decode() == text
        except UnicodeError:
            return False

    def _line(self, is_csv: bool, text: str, label: str) -> bytes:
        if not is_csv:
            return (json.dumps({"body": text, "verdict": label}, ensure_ascii=False) + "\n").encode()
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([text, {"no": "1", "yes": "5"}.get(label, "3")])
        return line.getvalue().encode()

    def _broken(self, content: bytes, is_csv: bool) -> bytes:
        """A stray quote at the beginning, a field too many, or an object that is cut off."""
        if not is_csv:
            return content[: len(content) // 2] + b"\n"
        return b'"' + content.replace(b'"', b"") if self.random.random() < 0.5 else content[:-1] + b",7,8\n"


def sentences_of(texts: Sequence[str]) -> list[str]:
    """Sentences of 6 to 40 words without anything that a cleaning step would touch."""
    found = []
    for text in texts:
        for sentence in text.replace("<br />", " ").split(". "):
            words = sentence.split()
            if 6 <= len(words) <= 40 and sentence.isascii() and not set(sentence) & set('<>&"\\'):
                found.append(" ".join(words).strip() + ".")
    return sorted(set(found))


def made_up_sentences(count: int, seed: int) -> list[str]:
    """The same of made-up words, where no real texts are at hand."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randint(2, 9))) for _ in range(20_000)]
    return [" ".join(draw.choices(words, k=draw.randint(6, 20))) + "." for _ in range(count)]
