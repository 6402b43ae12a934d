"""Which task and which model fit which data: their files say which facts they need, and the run has them or not. What
they take from the data stays what it is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from litmus.config import CONF

FACT = re.compile(r"\$\{((?:data|stem|tokenizer)\.\w+|outputs)\}")
ROOM = ("vocab_size", "context", "max_length")  # a network may have more of these than the data need


def check_pair(config: DictConfig) -> None:
    """Compares what the chosen task's and model's files ask for with what the configuration has.

    Raises:
        ValueError: If something is missing; it names both sides, and what fits.
    """
    if not HydraConfig.initialized():
        return
    choices = HydraConfig.get().runtime.choices
    for group in ("task", "model"):
        folder = CONF / group
        path = folder / f"{choices.get(group)}.yaml"
        lacking = [fact for fact in needed(path) if not _has(config, fact)] if path.exists() else []
        if lacking:
            others = {other.stem: needed(other) for other in sorted(folder.glob("*.yaml"))}
            fits = [name for name, facts in others.items() if all(_has(config, fact) for fact in facts)]
            raise ValueError(
                f"{group}={path.stem} does not fit data={choices['data']}, which has no {lacking[0]}: "
                f"choose {group}={' or '.join(fits) or 'something else'}"
            )
    for group in ("task", "stem", "model"):
        path = CONF / group / f"{choices.get(group)}.yaml"
        if path.exists():
            _check_facts(config, path)


def needed(path: Path) -> list[str]:
    """The facts that a file refers to, such as `data.image_shape`, in its comments too."""
    return list(dict.fromkeys(FACT.findall(path.read_text())))


def _check_facts(config: DictConfig, path: Path) -> None:
    """Refuses another value for what a file takes from the data."""
    package = "" if "@package _global_" in path.read_text() else f"{path.parent.name}."
    for key, fact in _taken(OmegaConf.to_container(OmegaConf.load(path)), package):
        here, there = OmegaConf.select(config, key), OmegaConf.select(config, fact)
        roomy = key.endswith(ROOM) and isinstance(here, int) and isinstance(there, int) and here >= there
        if here is not None and here != there and not roomy:
            raise ValueError(f"{key}={here} and {fact}={there} do not fit: leave {key} as it is, or give {fact}={here}")


def _taken(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Each key whose value is a fact of the data, and which one."""
    for name, value in node.items() if isinstance(node, dict) else ():
        yield from _taken(value, f"{prefix}{name}.")
        found = FACT.fullmatch(value) if isinstance(value, str) else None
        if found and found[1].startswith(("data.", "outputs")):
            yield f"{prefix}{name}", found[1]


def _has(config: DictConfig, fact: str) -> bool:
    """Whether a fact is there and not null, which is a task's and a data set's word for none."""
    node, _, key = fact.rpartition(".")
    parent = OmegaConf.select(config, node) if node else config
    if not isinstance(parent, DictConfig) or key not in parent or OmegaConf.is_missing(parent, key):
        return False
    return parent[key] is not None
