"""`litmus new`: a copy of this project under another name, whole or without its examples."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from litmus.config import CONF
from litmus.project.add import check_name, filled
from litmus.project.minimal import edited, leave_out

ROOT = CONF.parent
OWN = "litmus"
AS_IT_IS = ("LICENSE",)  # its notice stays with the code
NOT_OF_THE_COPY = ("CHANGELOG.md",)  # of this project's own history
PAGES = {  # of a minimal project
    "README.md": "readme.md",
    "experiments/README.md": "evidence.md",
    "conf/experiment/example.yaml": "experiment.yaml",
}
CHANGES = "# Changelog\n\n## 0.1.0\n\n- Made by `{command} new` from {origin}.\n"
GIT = ["git", "-c", "user.name={name}", "-c", "user.email={name}@localhost"]


def new(name: str, folder: Path, minimal: bool) -> None:
    """Writes the copy, and commits it where there is git.

    Args:
        name: Of the package; takes the place of this one's, in every spelling.
        folder: That is to be made; it may be there if it is empty.
        minimal: Whether to leave out models, data sets and recipes that are examples, and what tests them.

    Raises:
        ValueError: If the name can't be one of a package, or is another one's, or if the folder is not empty.
    """
    check_name(name)
    if name == OWN or find_spec(name) is not None:
        raise ValueError(f"{name} is the name of a package that is installed here: take another one")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty: name a folder that is to be made")
    folder.mkdir(parents=True, exist_ok=True)
    kept = [path for path in sources() if str(path) not in NOT_OF_THE_COPY]
    for path in leave_out(ROOT, kept) if minimal else kept:
        target = folder / renamed(str(path), name)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            shutil.copyfile(ROOT / path, target)
            continue
        text = edited(path, text) if minimal else text
        target.write_text(text if str(path) in AS_IT_IS else renamed(text, name))
        shutil.copymode(ROOT / path, target)
    (folder / "CHANGELOG.md").write_text(CHANGES.format(command=OWN, origin=origin()))
    for page, template in PAGES.items() if minimal else ():
        (folder / page).parent.mkdir(exist_ok=True)
        (folder / page).write_text(renamed(filled(template, "example"), name))
    tidy(folder)
    if shutil.which("git"):
        git = [word.format(name=name) for word in GIT]
        for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", f"Begin {name}"]):
            subprocess.run([*git, *words], cwd=folder, check=True)


def sources() -> list[Path]:
    """The project's files, relative to its folder: what git knows, or everything that is not hidden where it is no
    checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [path for name in listed.stdout.split("\0") if name and (ROOT / (path := Path(name))).is_file()]
    ignored = {line.strip("/\n") for line in (ROOT / ".gitignore").read_text().splitlines()}
    found = []
    for top, folders, files in os.walk(ROOT):
        folders[:] = [one for one in folders if one not in ignored and not one.endswith(".egg-info") and one != ".git"]
        found += [(Path(top) / file).relative_to(ROOT) for file in files]
    return sorted(found)


def renamed(text: str, name: str) -> str:
    """A text in which this project has another name: my_lab, MyLab, MY_LAB."""
    title = "".join(part.capitalize() for part in name.split("_"))
    for old, given in {OWN: name, OWN.capitalize(): title, OWN.upper(): name.upper()}.items():
        text = re.sub(old, given, text)
    return text


def origin() -> str:
    """The commit of this project."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return f"{OWN.capitalize()} {commit.stdout.strip()}".strip()


def tidy(folder: Path) -> None:
    """Sorts imports and breaks lines again, which depend on the length of the name."""
    if find_spec("ruff") is None:
        return
    for words in (["check", "--quiet", "--fix-only", "--select", "I", "."], ["format", "--quiet", "."]):
        subprocess.run([sys.executable, "-m", "ruff", *words], cwd=folder, check=True)
