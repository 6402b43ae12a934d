"""The recipes of conf/experiment that make a claim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litmus.config import CONF, Claim, did_you_mean
from litmus.sweeps.job import digest

FOLDER = CONF / "experiment"
KINDS = {
    "source_kind": ("paper", "readme", "notebook"),
    "direction": ("two-sided", "at_least", "at_most"),
    "fidelity": ("exact", "proxy"),
}


@dataclass(frozen=True)
class Recipe:
    """One of them.

    Attributes:
        text: Stands for all that the recipe says besides its claim.
    """

    name: str
    claim: Claim
    text: str

    def overrides(self, seed: int) -> list[str]:
        """Of the run with this seed."""
        return [f"experiment={self.name}", f"{self.claim.axis}={seed}"]


def recipes() -> dict[str, Recipe]:
    """All that make a claim, by name.

    Raises:
        ValueError: If a claim is not complete, or makes no sense.
    """
    found = {path.stem: read(path) for path in sorted(FOLDER.glob("*.yaml"))}
    return {name: recipe for name, recipe in found.items() if recipe is not None}


def chosen(names: Sequence[str], everything: bool) -> list[Recipe]:
    """Those of these names; without any, the daily ones, or all.

    Raises:
        ValueError: If one is none.
    """
    known = recipes()
    for name in names:
        if name not in known:
            raise ValueError(f"{name} is no recipe of {FOLDER} with a claim: {did_you_mean(name, known)}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    return [recipe for recipe in known.values() if everything or recipe.claim.daily]


def read(path: Path) -> Recipe | None:
    """The recipe in a file; None if it claims nothing.

    Raises:
        ValueError: If the claim is not complete, or makes no sense.
    """
    content: Any = OmegaConf.to_container(OmegaConf.load(path))
    if "claim" not in content:
        return None
    try:
        claim: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Claim), content.pop("claim")))
    except OmegaConfBaseException as error:
        raise ValueError(f"{path}: claim.{error.full_key}: {str(error).splitlines()[0]}") from error
    check(claim, path)
    return Recipe(path.stem, claim, digest(OmegaConf.to_yaml(OmegaConf.create(content), sort_keys=True)))


def check(claim: Claim, path: Path) -> None:
    """Refuses what no verdict could be made of.

    Raises:
        ValueError: With the key and what it may be.
    """
    for key, known in KINDS.items():
        if (value := getattr(claim, key)) not in known:
            raise ValueError(f"{path}: claim.{key}={value} is none of {', '.join(known)}")
    tolerance = claim.tolerance
    for key, number in (("below", tolerance.below), ("above", tolerance.above)):
        if not 0 <= number < math.inf:
            raise ValueError(f"{path}: claim.tolerance.{key}={number} is not 0 or more")
    if not math.isfinite(claim.value) or claim.seeds < 1:
        raise ValueError(f"{path}: claim.value={claim.value} and claim.seeds={claim.seeds} make no claim")
