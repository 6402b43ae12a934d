"""Which task and which model fit which data: their files say which facts they need, and the run has them or not."""

import re
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from litmus.config import CONF

FACT = re.compile(r"\$\{((?:data|stem|tokenizer)\.\w+|outputs)\}")


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


def needed(path: Path) -> list[str]:
    """The facts that a file refers to, such as `data.image_shape`, in its comments too."""
    return list(dict.fromkeys(FACT.findall(path.read_text())))


def _has(config: DictConfig, fact: str) -> bool:
    """Whether a fact is there and not null, which is a task's and a data set's word for none."""
    node, _, key = fact.rpartition(".")
    parent = OmegaConf.select(config, node) if node else config
    if not isinstance(parent, DictConfig) or key not in parent or OmegaConf.is_missing(parent, key):
        return False
    return parent[key] is not None
