"""What a configuration may name and give: trusted targets only, and values of the types that they declare."""

import importlib
import inspect
import typing
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from litmus.config import did_you_mean

# Named one by one: a whole package would let in all that is in it, such as torch.load. What is defined in `litmus` is
# trusted as well, so your own models and data sets need no entry.
TRUSTED = frozenset(
    {
        "pytorch_lightning.Trainer",
        "pytorch_lightning.callbacks.EarlyStopping",
        "pytorch_lightning.callbacks.ModelCheckpoint",
        "pytorch_lightning.callbacks.WeightAveraging",
        "pytorch_lightning.loggers.TensorBoardLogger",
        "pytorch_lightning.profilers.PyTorchProfiler",
        "torch.optim.Adadelta",
        "torch.optim.AdamW",
        "torch.optim.SGD",
        "torch.optim.swa_utils.get_ema_multi_avg_fn",
    }
)
HYDRA_KEYS = frozenset({"_target_", "_partial_", "_convert_", "_recursive_"})


def check(node: Any, key: str) -> None:
    """Looks at every target and every plain value under `node`, which stands at `key` of the configuration.

    Raises:
        ValueError: For a target that is not trusted or not there, an argument that it does not have, or a value of the
            wrong type.
    """
    if OmegaConf.is_config(node):
        node = OmegaConf.to_container(node, resolve=True)
    if isinstance(node, Mapping):
        if "_target_" in node:
            _check_arguments(node, _resolve(str(node["_target_"]), key), key)
        for name, value in node.items():
            check(value, f"{key}.{name}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            check(value, f"{key}[{index}]")


def _resolve(target: str, key: str) -> Any:
    """The trusted class or function of this name; nothing is imported for any other."""
    module, _, name = target.rpartition(".")
    own = target.startswith("litmus.") and all(part.isidentifier() for part in target.split("."))
    if not (own or target in TRUSTED):
        raise ValueError(f"{key}._target_={target} is not trusted: if you do, add it to TRUSTED in litmus/trust.py")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{key}._target_={target} does not exist: {error}") from error
    if own and getattr(found, "__module__", None) != module:
        raise ValueError(f"{key}._target_={target} is not defined there, so it is not trusted")
    return found


def _check_arguments(node: Mapping[str, Any], target: Any, key: str) -> None:
    """Names against the signature, plain values against its annotations."""
    parameters = dict(inspect.signature(target).parameters)
    hints = _hints(target)
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    made = hints.get("return")
    if takes_any and not inspect.isclass(target) and inspect.isclass(made):  # a function that passes the rest on
        parameters, hints = {**inspect.signature(made).parameters, **parameters}, {**_hints(made), **hints}
        takes_any = False
    for name in node.keys() - HYDRA_KEYS:
        value, hint = node[name], hints.get(name)
        if name not in parameters:
            if takes_any:
                continue
            raise ValueError(f"{key}.{name} is not known to {node['_target_']}: {did_you_mean(name, parameters)}")
        if hint and _is_plain(value) and not _fits(value, hint):
            raise ValueError(f"{key}.{name}={value} is of the wrong type: {node['_target_']} takes {_words(hint)}")


def _hints(target: Any) -> dict[str, Any]:
    return typing.get_type_hints(inspect.unwrap(target.__init__ if inspect.isclass(target) else target))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(item) and not isinstance(item, list) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value, or a list as YAML has it, is of the declared type; a whole number is a float, too."""
    from beartype import BeartypeConf
    from beartype.door import is_bearable

    tower = BeartypeConf(is_pep484_tower=True)
    if not isinstance(value, list):
        return is_bearable(value, hint, conf=tower)
    if typing.get_origin(hint) is tuple:
        return is_bearable(tuple(value), hint, conf=tower)
    return all(is_bearable([item], hint, conf=tower) for item in value)  # of a longer one, beartype looks at one item


def _words(hint: Any) -> str:
    return hint.__name__ if inspect.isclass(hint) else str(hint).replace("typing.", "").replace("NoneType", "null")
