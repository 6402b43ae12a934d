"""What Hydra does by itself before a run begins: it may log to the console and start jobs, and no more.

A configuration can also name callbacks of Hydra's, classes of Python's logging, environment variables, packages to
search, folders to write to and a pickle to run again. All of them can run code, and Hydra's own list of what it refuses
is, in its words, no complete boundary.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra._internal.hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from litmus.config import CONF
from litmus.trust import trusted

CONSOLE = frozenset({"logging.StreamHandler", "ext://sys.stdout", "ext://sys.stderr"})
CALLED = ("_target_", "()", "class", ".")  # Hydra's word for what to call, and those of Python's logging
RUNS = ("setup", "additional_parameters", "runtime_env", "address")  # launchers run these, or what is sent from there
WRITTEN = ("output_root", "hydra.run.dir", "hydra.sweep.dir")


def guard_hydra() -> None:
    """From here on Hydra acts on no configuration that was not looked at.

    Raises:
        ValueError: If the command line asks it to load a pickle.
    """
    if any(argument.startswith("--experimental-r") for argument in sys.argv[1:]):
        raise ValueError("--experimental-rerun runs whatever a pickle holds: give the overrides of that run again")
    hydra._internal.hydra.ConfigLoaderImpl = GuardedLoader  # type: ignore[attr-defined]


class GuardedLoader(ConfigLoaderImpl):
    """Hydra's, through which everything comes that it acts on."""

    def load_configuration(
        self, config_name: str | None, overrides: list[str], *args: Any, **kwargs: Any
    ) -> DictConfig:
        config = super().load_configuration(config_name, overrides, *args, **kwargs)
        check_hydra(config, overrides)
        return config

    def _process_config_searchpath(self, config_name: str | None, parsed_overrides: Any, repo: Any) -> None:
        primary = repo.load_config(config_name) if config_name else None
        asked = [OmegaConf.select(primary.config, "hydra.searchpath")] if primary else []
        asked += [change.value() for change in parsed_overrides if change.get_key_element() == "hydra.searchpath"]
        if "pkg:" in str([list(paths or ()) for paths in asked]):
            raise ValueError(
                f"hydra.searchpath={asked[-1]} is not trusted, for a package would be imported: give folders"
            )
        super()._process_config_searchpath(config_name, parsed_overrides, repo)


def check_hydra(config: DictConfig, overrides: Sequence[str] = ()) -> None:
    """Looks at what Hydra would call, import, set or write.

    Args:
        overrides: What the user typed, and nobody else wrote.

    Raises:
        ValueError: For the first that the project does not trust.
    """
    if OmegaConf.select(config, "hydra.callbacks"):
        raise ValueError("hydra.callbacks is not trusted: a run's callbacks are those of callbacks=")
    variables = OmegaConf.select(config, "hydra.job.env_set") or {}
    if any(os.environ.get(name) != value for name, value in variables.items()):
        raise ValueError("hydra.job.env_set is not trusted, for variables can run programs: set them in the shell")
    if OmegaConf.select(config, "hydra.output_subdir") is not None:
        raise ValueError("hydra.output_subdir is not trusted: what Hydra would write there stands in the run's folder")
    for key in WRITTEN:
        folder = Path(str(OmegaConf.select(config, key, throw_on_resolution_failure=False))).resolve()
        if CONF in (folder, *folder.parents):
            raise ValueError(f"{key}={folder} is not trusted: nothing is written into conf/, whose files are")
    for part in ("launcher", "sweeper"):
        plugin = _plain(config, part)
        plugin.pop("_target_", None)  # Hydra itself takes none but installed ones
        _look(plugin, f"hydra.{part}", trusted())
    for part in ("job_logging", "hydra_logging"):
        _look(_plain(config, part), f"hydra.{part}", trusted() | CONSOLE)
    _check_launcher(_plain(config, "launcher"), overrides)


def _plain(config: DictConfig, part: str) -> dict[Any, Any]:
    node = OmegaConf.select(config, f"hydra.{part}")
    plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else {}
    assert isinstance(plain, dict)
    return plain


def _check_launcher(launcher: dict[Any, Any], overrides: Sequence[str]) -> None:
    """Shell, and what comes to the same, is the user's: it stands on the command line or in the project's own files."""
    typed = [override.key_or_group for override in OverridesParser.create().parse_overrides(list(overrides))]
    files = [OmegaConf.load(path) for path in sorted((CONF / "hydra" / "launcher").glob("*.yaml"))]
    for key in RUNS:
        for place, value in _leaves(launcher.get(key), key):
            is_typed = any(f"hydra.launcher.{place}.".startswith(f"{name}.") for name in typed)
            if not is_typed and all(OmegaConf.select(file, place) != value for file in files):
                raise ValueError(
                    f"hydra.launcher.{place}={value} is not trusted, for it is run: give it on the command line, or in"
                    " a file of conf/hydra/launcher"
                )


def _leaves(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Values, lists among them, with where they stand."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, f"{place}.{name}")
    elif node not in (None, []):
        yield place, node


def _look(node: Any, key: str, names: frozenset[str]) -> None:
    if isinstance(node, dict):
        for name, value in node.items():
            if name in CALLED and str(value) not in names:
                raise ValueError(f"{key}.{name}={value} is not trusted: if you do, add it to conf/trusted.yaml")
            _look(value, f"{key}.{name}", names)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            _look(value, f"{key}[{index}]", names)
    elif isinstance(node, str) and node.startswith(("ext:", "cfg:")) and node not in names:
        raise ValueError(f"{key}={node} is not trusted: messages go to sys.stdout or sys.stderr")
