"""The configuration of a job as its own process will compose it, for what can be known before it starts."""

import copy
from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, open_dict, read_write

from litmus.config import CONF, register
from litmus.guard import guard_hydra
from litmus.snapshot import resolve


def composed(overrides: Sequence[str]) -> DictConfig:
    """What train.py would see."""
    register()
    guard_hydra()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(config)  # a run's name is made of it
    with open_dict(config):
        del config["hydra"]
    return config


class Composer:
    """Composes points that differ in plain values only once: composing takes Hydra a third of a second.

    Args:
        loader: Hydra's.
        master: What it made of the command line without what is swept.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self.loader, self.master = loader, master
        self.parser = OverridesParser.create(config_loader=loader)
        self.composed: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, point: Sequence[str]) -> DictConfig:
        """Resolved to plain values.

        Raises:
            ValueError: If the process would refuse it.
        """
        overrides = self.parser.parse_overrides(list(point))
        values = [override for override in overrides if self._is_value(override)]
        others = tuple(str(override.input_line) for override in overrides if override not in values)
        if others not in self.composed:
            self.composed[others] = self.loader.load_sweep_config(self.master, list(others))
        config = copy.deepcopy(self.composed[others])
        ConfigLoaderImpl._apply_overrides_to_config(values, config)  # as Hydra does, after the groups
        if config.resume is not None:
            raise ValueError("resume= is not for -m: the same command again goes on with what was stopped")
        HydraConfig.instance().set_config(config)  # what ${hydra:...} reads
        with read_write(config), open_dict(config):
            del config["hydra"]
        return resolve(config)

    def _is_value(self, override: Override) -> bool:
        """Whether it sets a key, and chooses no file of conf/."""
        key = override.key_or_group
        chooses = override.is_add() or override.is_delete() or bool(self.loader.get_group_options(key))
        return not (chooses or key.startswith("hydra"))
