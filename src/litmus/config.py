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
class Tolerance:
    """How far the mean over the seeds may be from the value of a claim, in the metric's own units."""

    below: float = MISSING
    above: float = MISSING
    reason: str = MISSING


@dataclass
class Claim:
    """A number of a paper that a recipe is to reproduce; the tolerance is fixed before the first run.

    Attributes:
        paper: Authors and year.
        where: Table, figure or section.
        source_kind: paper, readme or notebook.
        metric: Of a run.
        value: In the metric's units.
        printed: The number as the source gives it.
        spread: Its standard deviation there, over `n` runs.
        direction: two-sided, at_least or at_most: then what is better than the value is no deviation.
        seeds: How many runs a verdict takes.
        axis: The key that they differ in; they have its values from 0 on.
        selection: Of the weights that are tested.
        fidelity: exact, or proxy: of data that stand for others, which reports, and reproduces nothing.
        deviations: From the paper's protocol.
        daily: Whether `litmus reproduce` without a name runs it.
        gpu: Whether it can't be run without one.
        cost: Of a seed.
        miss: Where it deviates, what is known of the reason; written after its runs.
    """

    title: str = MISSING
    paper: str = MISSING
    url: str = MISSING
    where: str = MISSING
    source_kind: str = MISSING
    metric: str = MISSING
    value: float = MISSING
    printed: str = MISSING
    spread: float | None = None
    n: int | None = None
    direction: str = "two-sided"
    tolerance: Tolerance = field(default_factory=Tolerance)
    seeds: int = 3
    axis: str = "seed"
    selection: str = MISSING
    fidelity: str = "exact"
    deviations: list[str] = field(default_factory=list)
    daily: bool = False
    gpu: bool = False
    cost: str = MISSING
    miss: str | None = None


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
    claim: Claim | None = None  # of a recipe
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
