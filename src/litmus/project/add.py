"""`litmus add`: the files to fill in for a model, a data set or a recipe of your own. They work as they are."""

import keyword
import re
from pathlib import Path

from litmus.config import CONF
from litmus.folder import write_whole

PACKAGE = Path(__file__).parents[1]
TEMPLATES = Path(__file__).parent / "templates"
KINDS = {  # of what is added: template -> where it goes
    "model": {"model.py": PACKAGE / "models", "model.yaml": CONF / "model"},
    "images": {"images.py": PACKAGE / "data" / "images", "images.yaml": CONF / "data"},
    "series": {"series.py": PACKAGE / "data" / "series", "series.yaml": CONF / "data"},
    "experiment": {"experiment.yaml": CONF / "experiment"},
}


def add(kind: str, name: str) -> list[Path]:
    """Writes the files of a kind, and gives their paths.

    Raises:
        ValueError: If the name can't be one of a module, or is taken.
    """
    check_name(name)
    group = {"images": "data", "series": "data"}.get(kind, kind)
    if (CONF / group / f"{name}.yaml").exists():
        raise ValueError(f"{group}={name} is there already: conf/{group}/{name}.yaml")
    paths = {template: folder / f"{name}{Path(template).suffix}" for template, folder in KINDS[kind].items()}
    for path in paths.values():
        if path.exists():
            raise ValueError(f"{path} is there already: take another name")
    for template, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, filled(template, name))
    return list(paths.values())


def filled(template: str, name: str) -> str:
    """A template's text for a name."""
    title = "".join(part.capitalize() for part in name.split("_"))
    text = (TEMPLATES / f"{template}.txt").read_text()
    for word, value in {"CLASS": title, "TITLE": title, "NAME": name}.items():
        text = re.sub(rf"\b{word}\b", value, text)
    return text


def check_name(name: str) -> None:
    """Names become modules and words of a command line.

    Raises:
        ValueError: If it can't.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"{name} can't be the name of a module: take small letters, digits and _, such as my_net")
