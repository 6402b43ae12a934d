"""What a configuration may name and give: trusted targets only, and values of the types that they declare."""

import functools
import importlib
import inspect
import re
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from litmus.config import CONF, did_you_mean
from litmus.limits import exceeded

HYDRA_KEYS = {"_target_": str, "_partial_": bool, "_convert_": str, "_recursive_": bool}
LARGEST = 2**63 - 1  # whole number that torch and numpy take
OWN = re.compile(r"""_target_:\s*["']?(litmus(?:\.\w+)+)""")
ADDRESS = re.compile(r"""\burl:\s*["']?(https://[^\s"',}]+)""")


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
            _check_arguments(node, resolve_target(str(node["_target_"]), key), key)
        for name, value in node.items():
            check(value, f"{key}.{name}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            check(value, f"{key}[{index}]")
    elif isinstance(node, int) and not -LARGEST <= node <= LARGEST:
        raise ValueError(f"{key}={node} is not from {-LARGEST} to {LARGEST}")
    elif isinstance(node, str) and "${" in node:
        raise ValueError(f"{key}={node} would refer to something else when it is used: give it as it is meant")


@functools.cache
def trusted(conf: Path = CONF) -> frozenset[str]:
    """What the project's own folder of configurations lets any configuration name: the classes and functions in its
    trusted.yaml, those of `litmus` that its files name, and the addresses in these.

    It is read off this folder and never composed, so that neither the command line, nor another folder, nor a run that
    somebody handed over can add to it.

    Raises:
        ValueError: If trusted.yaml is not a list of such names.
    """
    path = conf / "trusted.yaml"
    texts = [file.read_text() for file in conf.rglob("*.yaml") if file != path]
    found = {name for text in texts for name in [*OWN.findall(text), *ADDRESS.findall(text)]}
    return frozenset({*found, *_listed(path)})


def _listed(path: Path) -> list[str]:
    try:
        names = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML of plain values: {str(error).splitlines()[0]}") from error
    if not isinstance(names, list):
        raise ValueError(f"{path} is not a list: give one name a line, such as - torch.optim.SGD")
    for name in names:
        if not (isinstance(name, str) and "." in name and all(part.isidentifier() for part in name.split("."))):
            raise ValueError(f"{path}: {name} is not the full name of a class or function, such as torch.optim.SGD")
    return names


def resolve_target(target: str, key: str) -> Any:
    """The trusted class or function of this name; nothing is imported for any other."""
    if target not in trusted():
        remedy = "name it in a file of conf/" if target.startswith("litmus.") else "add it to conf/trusted.yaml"
        raise ValueError(f"{key}._target_={target} is not trusted: if you do, {remedy}")
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{key}._target_={target} does not exist: {error}") from error
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        raise ValueError(f"{key}._target_={target} is neither a class nor a function")
    return found


def _check_arguments(node: Mapping[str, Any], target: Any, key: str) -> None:
    """Names against the signature, plain values against its annotations."""
    parameters, hints, takes_any = declared(target)
    for name, value in node.items():
        hint = HYDRA_KEYS.get(name) or hints.get(name)
        if name == "url" and str(value) not in trusted():
            raise ValueError(f"{key}.url={value} is not trusted: if you do, name it in a file of conf/data")
        if name not in parameters and name not in HYDRA_KEYS:
            if takes_any and not name.startswith("_"):
                continue
            raise ValueError(f"{key}.{name} is not known to {node['_target_']}: {did_you_mean(name, parameters)}")
        if hint is None:
            continue
        if not (_fits(value, hint) if _is_plain(value) else _may_be(value, hint, f"{key}.{name}")):
            raise ValueError(f"{key}.{name}={value} is of the wrong type: {node['_target_']} takes {_words(hint)}")
        if limit := exceeded(value, hint):
            raise ValueError(f"{key}.{name}={value} is not {limit}")


def declared(target: Any) -> tuple[dict[str, inspect.Parameter], dict[str, Any], bool]:
    """The parameters of a class or function, their types as far as they can be told, and whether it takes others."""
    parameters = dict(inspect.signature(target).parameters)
    hints = _hints(target)
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    made = hints.get("return")
    if takes_any and not inspect.isclass(target) and inspect.isclass(made):  # a function that passes the rest on
        return {**inspect.signature(made).parameters, **parameters}, {**_hints(made), **hints}, False
    return parameters, hints, takes_any


def _hints(target: Any) -> dict[str, Any]:
    """Declared types; those that a library imports for type checkers only can't be told."""
    function = inspect.unwrap(target.__init__ if inspect.isclass(target) else target)
    known = getattr(function, "__globals__", {})
    hints: dict[str, Any] = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        with suppress(NameError):
            one = types.SimpleNamespace(__annotations__={name: hint})
            hints |= typing.get_type_hints(one, known, include_extras=True)
    return hints


def _is_plain(value: Any) -> bool:
    """Whether nothing in it is built."""
    if isinstance(value, Mapping):
        return "_target_" not in value and all(map(_is_plain, value.values()))
    return not isinstance(value, list) or all(map(_is_plain, value))


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value, or a list as YAML has it, is of the declared type; a whole number is a float, too."""
    from beartype import BeartypeConf
    from beartype.door import is_bearable

    tower = BeartypeConf(is_pep484_tower=True)
    if not isinstance(value, list):
        return is_bearable(value, hint, conf=tower)
    if typing.get_origin(hint) is tuple:
        return is_bearable(tuple(value), hint, conf=tower)
    # Of a longer one, beartype looks at one item.
    return is_bearable(value, hint, conf=tower) and all(is_bearable([item], hint, conf=tower) for item in value)


def _may_be(node: Any, hint: Any, key: str) -> bool:
    """Whether what a node makes can be of the declared type; of a protocol, only its use tells."""
    if hasattr(hint, "__metadata__"):
        return _may_be(node, hint.__origin__, key)
    kind = typing.get_origin(hint) or hint
    if kind in (typing.Union, types.UnionType):
        return any(_may_be(node, part, key) for part in typing.get_args(hint))
    if not isinstance(node, Mapping) or "_target_" not in node or not inspect.isclass(kind):
        return kind is not typing.Literal
    made = functools.partial if node.get("_partial_") else resolve_target(str(node["_target_"]), key)
    return not inspect.isclass(made) or getattr(kind, "_is_protocol", False) or issubclass(made, kind)


def _words(hint: Any) -> str:
    """A type as a user would write it, without its limits."""
    if hasattr(hint, "__metadata__"):
        return _words(hint.__origin__)
    if inspect.isclass(hint):
        return hint.__name__
    plain = re.sub(r"Annotated\[(.+?), \w+\(.*?\)\]", r"\1", str(hint))
    return plain.replace("typing.", "").replace("collections.abc.", "").replace("NoneType", "null")
