"""What a text goes through before it is compared, counted and kept: a step is a function from text to text."""

import html
import re
import unicodedata
from collections.abc import Callable, Mapping

TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
LINE = re.compile(r"<(?:br|p|/p|div|/div|li|tr)\b[^<>]*>", re.IGNORECASE)
# C0 and C1 but for tab and line ends; soft hyphen, zero-width characters, marks of direction, byte order mark.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
SPACES = re.compile(r"[^\S\n]*[^\S\n ][^\S\n]*|  +")  # runs but for a single space, of which there are hundreds
LINES = re.compile(r"\s*\n\s*")
QUOTE = re.compile(
    r"writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>"
)  # Lang 1995, by scikit-learn
PUNCTUATION = re.compile(r"[^\w\s]+")


def mojibake(text: str) -> str:
    """Text that was decoded with the wrong encoding, put right (ftfy)."""
    if text.isascii():
        return text
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    return fix_encoding(text) if is_bad(text) else text


def nfc(text: str) -> str:
    """One code point for a letter with its accent."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def nfkc(text: str) -> str:
    """The same, and wide letters, ligatures and the like as plain ones."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def tags(text: str) -> str:
    """Without HTML: tags that end a line end it, other tags and comments go, entities are what they stand for."""
    if "<" in text:
        text = TAG.sub("", LINE.sub("\n", text))
    return html.unescape(text) if "&" in text else text


def control(text: str) -> str:
    """Without characters that nobody sees, and with \\n for every end of a line."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isprintable() else CONTROL.sub("", text)


def spaces(text: str) -> str:
    """One space for several, none at the ends of lines, and no empty lines."""
    text = SPACES.sub(" ", text)
    return (LINES.sub("\n", text) if "\n" in text else text).strip()


def headers(text: str) -> str:
    """A message without its header, which ends at the first empty line."""
    _, _, body = text.replace("\r\n", "\n").partition("\n\n")
    return body


def quotes(text: str) -> str:
    """A message without the lines that it quotes, and those that introduce them."""
    return "\n".join(line for line in text.split("\n") if not QUOTE.search(line))


def signature(text: str) -> str:
    """A message without what stands under its last line of dashes, or its last empty line."""
    lines = text.strip().split("\n")
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].strip().strip("-") == "":
            return "\n".join(lines[:number]) if number > 0 else text
    return text


STEPS: Mapping[str, Callable[[str], str]] = {
    step.__name__: step for step in (mojibake, nfc, nfkc, tags, control, spaces, headers, quotes, signature)
}

IGNORED: Mapping[str, Callable[[str], str]] = {
    "case": str.casefold,
    "punctuation": lambda text: PUNCTUATION.sub(" ", text),
    "space": lambda text: " ".join(text.split()),
}
