"""What a project without the examples leaves out: choices of conf/ that are examples, the code that only they need, and
the tests that speak of either."""

import ast
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

KEPT = {  # of groups whose files are examples; groups that are not here are kept whole
    "data": ("digits", "image_folder", "text_files", "table", "series_file", "shards"),
    "model": ("cnn", "lstm", "transformer", "mlp"),
    "experiment": (),
    "sweep": ("default", "digits_quick"),
    "prepare": ("default",),
}
FOLDERS = ("benchmarks", "docs", "experiments")  # of this project's own evidence
PAGES = ("CITATION.cff", "CONTRIBUTING.md", "README.zh-CN.md")  # that speak of what is left out
TESTS = ("tests/test_project.py",)  # of copies
EDITS = {  # of the files that speak of the folders
    "Makefile": (re.compile(r"\n(bench|docs): .*\n(\t.*\n)+"), re.compile(r"\b(bench|docs) (?=\w)")),
    "pyproject.toml": (re.compile(r', "(benchmarks|docs)"'),),
}
CODE = re.compile(r"src/\w+/(models|data/images|data/series|data/texts)/(?!__init__)\w+\.py")  # goes if not needed
WORDS = re.compile(r"\b(data|model|experiment|sweep|prepare)=(\w+)")
TARGET = re.compile(r"_target_:\s*[\"']?([\w.]+)\.\w+")


def leave_out(root: Path, paths: Sequence[Path]) -> list[Path]:
    """Those of a project's files that are kept, relative to `root`."""
    kept = [
        path
        for path in paths
        if path.parts[0] not in (*FOLDERS, *PAGES) and str(path) not in TESTS and not _is_example(path)
    ]
    texts = {path: (root / path).read_text() for path in kept if path.suffix in (".py", ".yaml")}
    needed = reached(texts, [path for path in texts if path.parts[0] != "tests" and not CODE.fullmatch(str(path))])
    kept = [path for path in kept if path in needed or not CODE.fullmatch(str(path))]
    gone = {path for path in paths if path not in kept}
    return [path for path in kept if path.parts[0] != "tests" or not _speaks_of(path, texts, gone)]


def edited(path: Path, text: str) -> str:
    """A file's text without what it says of the folders that are left out."""
    for pattern in EDITS.get(str(path), ()):
        text = pattern.sub("", text)
    return text


def _is_example(path: Path) -> bool:
    group = path.parts[1] if path.parts[0] == "conf" and len(path.parts) == 3 else ""
    return group in KEPT and path.stem not in KEPT[group]


def reached(texts: dict[Path, str], start: Iterable[Path]) -> set[Path]:
    """The files that some files import or name as a target, and so on."""
    found, left = set(start), list(start)
    modules = {module_of(path): path for path in texts}
    while left:
        for name in named(left.pop(), texts):
            path = modules.get(name)
            if path is not None and path not in found:
                found.add(path)
                left.append(path)
    return found


def module_of(path: Path) -> str:
    """The name by which a file is imported."""
    parts = path.with_suffix("").parts
    return ".".join(parts[1:] if parts[0] in ("src", "tests") else parts).removesuffix(".__init__")


def named(path: Path, texts: dict[Path, str]) -> set[str]:
    """The modules that a file imports or has in a target."""
    if path.suffix == ".yaml":
        return set(TARGET.findall(texts[path]))
    found = set()
    for node in ast.walk(ast.parse(texts[path])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _speaks_of(path: Path, texts: dict[Path, str], gone: set[Path], seen: tuple[Path, ...] = ()) -> bool:
    """Whether a test needs a file that is gone, by itself or by an import; one that asks what is available does not."""
    if path.suffix != ".py" or path in seen:
        return False
    asks = "available(" in texts[path]
    if not asks and any(Path("conf", group, f"{name}.yaml") in gone for group, name in WORDS.findall(texts[path])):
        return True
    if any(f'"{name}"' in texts[path] for name in (*PAGES, *FOLDERS[:2])):
        return True
    names = named(path, texts)
    if names & {module_of(one) for one in gone}:
        return True
    others = [other for other in texts if other.parts[0] == "tests" and module_of(other) in names]
    return any(_speaks_of(other, texts, gone, (*seen, path)) for other in others)
