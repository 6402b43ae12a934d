"""The project's pages, and the code blocks, headings and links in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = [path for path in sorted((ROOT / "docs").rglob("*.md")) if not {"build", "generated"} & set(path.parts)]
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "experiments" / "README.md",
    *DOCS,
]
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`((?:[A-Z_]+=\S+ )?(?:python (?:train\.py|-m)|litmus|make|torchrun|srun) [^`\n]+)`")
COMMENT = re.compile(r"(^|\s+)#\s.*$")


def prose(text: str) -> str:
    """A page without its code blocks."""
    return BLOCK.sub("", text)


def commands(text: str, *languages: str) -> list[str]:
    """What stands in the code blocks of some languages, a command a line, without comments."""
    blocks = [body for language, body in BLOCK.findall(text) if language in languages]
    lines = (COMMENT.sub("", line).strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def spans(text: str) -> list[str]:
    """The commands that stand in the lines."""
    return SPAN.findall(prose(text))


def headings(text: str) -> list[tuple[int, str]]:
    """Level and words of each."""
    return [(len(marks), words) for marks, words in re.findall(r"^(#+) (.+)$", prose(text), re.MULTILINE)]


def anchor(heading: str) -> str:
    """What a link calls a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
