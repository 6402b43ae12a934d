"""The top level of a run's configuration, and the values in it that are read off the disk."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

CONF = Path(__file__).parents[2] / "conf"


@dataclass
class Objective:
    """What the best checkpoint is best at, and what a sweep optimises."""

    metric: str = MISSING
    mode: str = MISSING


@dataclass
class Config:
    """What stands at the top of conf/config.yaml; a key that is not here is refused."""

    data: Any = MISSING
    model: Any = MISSING
    task: Any = MISSING
    optimizer: Any = MISSING
    schedule: Any = MISSING
    trainer: Any = MISSING
    callbacks: Any = field(default_factory=dict)  # none is a choice
    logger: Any = field(default_factory=dict)
    objective: Objective = field(default_factory=Objective)
    name: str = MISSING
    tags: list[str] = MISSING
    seed: int = MISSING
    threads: int | None = MISSING
    resume: str | None = MISSING
    data_root: str = MISSING
    output_root: str = MISSING
    run_dir: str = MISSING  # set by litmus.run


def class_folders(root: str | None) -> list[str]:
    """Names of the class folders under root/train, or root: what `data=image_folder` calls its classes."""
    if root is None:
        raise ValueError("data=image_folder needs data.root=FOLDER, with a folder of images for each class")
    top = Path(root, "train") if Path(root, "train").is_dir() else Path(root)
    if not top.is_dir():
        raise ValueError(f"data.root={root} is no folder; give one with a folder of images for each class")
    names = sorted(path.name for path in top.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise ValueError(f"{top} has no folders; put the images of each class into a folder with its name")
    return names


def groups() -> list[Path]:
    """The folders of conf/ that hold choices for a run."""
    return sorted(path for path in CONF.iterdir() if path.name != "hydra" and any(path.glob("*.yaml")))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the known word nearest to a misspelt one, or at all of them."""
    choices = sorted(word for word in known if not word.startswith("_"))
    near = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {near[0]}?" if near else f"there is {', '.join(choices)}"


def register() -> None:
    """Makes the schema and the resolvers known to Hydra; called before anything is composed."""
    ConfigStore.instance().store(name="schema", node=Config)
    OmegaConf.register_new_resolver("length", len, replace=True)
    OmegaConf.register_new_resolver("class_folders", class_folders, replace=True)
