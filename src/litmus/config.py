"""The top level of a run's configuration, and the values in it that are read off the disk."""

import difflib
import functools
import importlib.util
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, ListConfig, OmegaConf

from litmus.data.series.numbers import input_columns, numeric_columns, target_classes
from litmus.data.shards.manifest import shard_fact
from litmus.data.texts.records import label_names

CONF = Path(__file__).parents[2] / "conf"
NOT_OF_A_RUN = ("hydra", "prepare")  # folders of it


@dataclass
class Objective:
    """What the best checkpoint is best at, and what a sweep optimises."""

    metric: str = MISSING
    mode: str = MISSING


@dataclass
class RateScaling:
    """How optimizer.lr follows the batch size."""

    rule: str | None = MISSING
    batch_size: int | None = MISSING


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
    tokenizer: Any = None  # of texts
    stem: Any = field(default_factory=dict)
    outputs: int | None = MISSING
    epochs: int = MISSING
    clip: float | None = MISSING
    lr_scaling: RateScaling = field(default_factory=RateScaling)
    compile: bool = MISSING
    activation_checkpointing: bool = MISSING
    name: str = MISSING
    tags: list[str] = MISSING
    seed: int = MISSING
    threads: int | None = MISSING
    workers: int = MISSING
    resume: str | None = MISSING
    test: bool = MISSING
    sweep: Any = None  # with -m
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


def installed(path: str, otherwise: str) -> str:
    """The folder `package/folder` of an installed package, which is not imported; `otherwise` where it is not there."""
    package, _, folder = path.partition("/")
    spec = importlib.util.find_spec(package)
    found = Path(spec.origin).parent / folder if spec and spec.origin else None
    return str(found) if found and found.exists() else otherwise


def groups() -> list[Path]:
    """The folders of conf/ that hold choices for a run."""
    return sorted(path for path in CONF.iterdir() if path.name not in NOT_OF_A_RUN and any(path.glob("*.yaml")))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the known word nearest to a misspelt one, or at all of them."""
    choices = sorted(word for word in known if not word.startswith("_"))
    near = difflib.get_close_matches(word, choices)
    near.sort(key=lambda choice: choice[:1] != word[:1])  # hardly anybody mistypes the first letter
    return f"did you mean {near[0]}?" if near else f"there is {', '.join(choices) or 'nothing'}"


RESOLVERS: dict[str, Callable[..., Any]] = {
    "length": lambda items: None if items is None else len(items),
    "product": lambda *factors: math.prod(factors),
    "each_channel": lambda shape, value: None if shape is None else [value] * shape[0],
    "only": lambda kind, one, value: value if kind == one else None,
    "installed": installed,
    "class_folders": class_folders,
    "label_names": label_names,
    "numeric_columns": numeric_columns,
    "input_columns": input_columns,
    "target_classes": target_classes,
    "shards": shard_fact,
}


def register() -> None:
    """Makes the schema and the resolvers known to Hydra; called before anything is composed."""
    ConfigStore.instance().store(name="schema", node=Config)
    for name, function in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, _as_nodes(function), replace=True)


def _as_nodes(function: Callable[..., Any]) -> Callable[..., Any]:
    """A resolver whose lists are OmegaConf's own, which can be resolved wherever something refers to them."""

    @functools.wraps(function)
    def resolver(*arguments: Any) -> Any:
        found = function(*arguments)
        return ListConfig(found) if isinstance(found, list) else found

    return resolver
