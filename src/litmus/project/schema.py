"""`litmus schema`: JSON schemas of the files of conf/, so that an editor completes them and complains: the signatures
that a run is held against, written down for a language server of YAML."""

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from litmus.config import CONF, Config, groups
from litmus.folder import write_whole
from litmus.limits import Within
from litmus.trust import HYDRA_KEYS, declared, resolve_target

EDITOR = CONF.parent / ".vscode"
DRAFT = "http://json-schema.org/draft-07/schema#"
REFERENCE = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}  # what OmegaConf fills in
NONE_YET = {"type": "null"}  # what the command line is to give
PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
HYDRA = {"defaults": {"type": "array"}, "hydra": {"type": "object"}}
Schema = dict[str, Any]


def write(folder: Path = EDITOR) -> list[Path]:
    """A schema for each group, and one for conf/config.yaml, and the editor's settings that say which is whose.

    A file of a group is what stands under its key, or, as `# @package _global_`, a part of the whole.

    Raises:
        ValueError: If there are settings that are not plain JSON.
    """
    targets = sorted(set(_targets(CONF)))
    nodes = {f"target {name}": _of_target(name) for name in targets}
    parts = {group.name: _of_part(group, nodes) for group in groups()}
    whole = {"type": "object", "properties": {**_top(), **parts, **HYDRA}, "additionalProperties": False}
    definitions = {"node": _node(targets), "whole": whole, **nodes}
    files = {}
    for name, schema in {
        "config": {"$ref": "#/definitions/whole"},
        **{g.name: _of_group(g, parts[g.name]) for g in groups()},
    }.items():
        path = folder / "schemas" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"$schema": DRAFT, **schema, "definitions": definitions}, indent=1))
        files[path] = [f"conf/{name}/*.yaml", f"conf/{name}/*/*.yaml"] if name != "config" else ["conf/config.yaml"]
    return [*files, _settings(folder / "settings.json", files)]


def _settings(path: Path, files: Mapping[Path, list[str]]) -> Path:
    """Tells the editor's YAML extension; its other settings stay."""
    try:
        settings = json.loads(path.read_text()) if path.exists() else {}
        settings["yaml.schemas"] = {str(schema.relative_to(path.parents[1])): conf for schema, conf in files.items()}
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not plain JSON ({error}): take its comments out") from error
    write_whole(path, json.dumps(settings, indent=2) + "\n")
    return path


def _top() -> dict[str, Schema]:
    """The keys of a run's configuration."""
    hints = typing.get_type_hints(Config)
    return {field.name: _of_hint(hints[field.name]) for field in dataclasses.fields(Config)}


def _of_group(group: Path, part: Schema) -> Schema:
    """Whole where a top-level key stands in it, by its own targets otherwise."""
    inner = _keys(group)
    keys = [key for key in _top() if key not in inner]
    return {
        "title": f"{group.name}=",
        "type": "object",
        "if": {"anyOf": [{"required": [key]} for key in keys]},
        "then": {"$ref": "#/definitions/whole"},
        "else": part,
    }


def _of_part(group: Path, nodes: Mapping[str, Schema]) -> Schema:
    """What stands under a group's key; where the target is in another file, a key is at least one that is known."""
    keys = _keys(group)
    node = {"$ref": "#/definitions/node"}
    if "_target_" not in keys:
        return node
    taken = (nodes.get(f"target {name}", {}).get("properties", ()) for name in _targets(group))
    known = sorted({*keys, *HYDRA, *(key for properties in taken for key in properties)})
    return {"if": {"required": ["_target_"]}, "then": node, "else": {"propertyNames": {"enum": known}}}


def _keys(group: Path) -> set[str]:
    """Those of the group's files that stand under its key, such as `seed` of data."""
    found: set[str] = set()
    for path in group.rglob("*.yaml"):
        content: Any = OmegaConf.to_container(OmegaConf.load(path))
        if isinstance(content, Mapping):
            inner = content.get(group.name, content if "@package _global_" not in path.read_text() else {})
            found |= {str(key) for key in inner} if isinstance(inner, Mapping) else set()
    return found


def _targets(conf: Path) -> Iterator[str]:
    """What the files name as targets."""
    for path in conf.rglob("*.yaml"):
        yield from _named(OmegaConf.to_container(OmegaConf.load(path)))


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "${" not in str(node.get("_target_", "${")) and not str(node["_target_"]).startswith("hydra"):
            yield str(node["_target_"])
        for value in node.values():
            yield from _named(value)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value)


def _node(targets: list[str]) -> Schema:
    """Anything under a key: where it has a target, what that one takes."""
    chosen = [
        {
            "if": {"properties": {"_target_": {"const": name}}, "required": ["_target_"]},
            "then": {"$ref": f"#/definitions/target {name}"},
        }
        for name in targets
    ]
    return {"properties": {"_target_": {"anyOf": [{"enum": targets}, REFERENCE]}}, "allOf": chosen}


def _of_target(name: str) -> Schema:
    """The arguments of a class or function."""
    try:
        parameters, hints, takes_any = declared(resolve_target(name, name))
    except ValueError:  # of an extra that is not installed
        return {"type": "object"}
    properties = {key: _of_hint(hints.get(key, Any)) for key in parameters if key != "self"}
    own = {key: {"type": PLAIN[kind]} for key, kind in HYDRA_KEYS.items()}
    return {"properties": {**properties, **own, "defaults": HYDRA["defaults"]}, "additionalProperties": takes_any}


def _of_hint(hint: Any) -> Schema:
    """What fits a declared type, as YAML has it; a reference fits everywhere."""
    found = _plain(hint)
    return {"$ref": "#/definitions/node"} if found is None else {"anyOf": [*found, REFERENCE, NONE_YET]}


def _plain(hint: Any) -> list[Schema] | None:
    """Alternatives of JSON schema for a type; None for one whose values are built, or that says nothing."""
    if hasattr(hint, "__metadata__"):
        return _limited(_plain(hint.__origin__), hint.__metadata__)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        parts = [_plain(part) or [{"type": "object"}] for part in arguments]
        return [one for part in parts for one in part]
    if origin is typing.Literal:
        return [{"enum": list(arguments)}]
    if hint in PLAIN:
        return [{"type": PLAIN[hint]}]
    if dataclasses.is_dataclass(hint) and inspect.isclass(hint):
        hints = typing.get_type_hints(hint)
        properties = {field.name: _of_hint(hints[field.name]) for field in dataclasses.fields(hint)}
        return [{"type": "object", "properties": properties, "additionalProperties": False}]
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return [{"type": "array", "items": _of_hint(arguments[0]) if arguments else {}}]
    return None


def _limited(found: list[Schema] | None, metadata: tuple[Any, ...]) -> list[Schema] | None:
    for limit in metadata:
        if isinstance(limit, Within) and found is not None:
            numbers = ("integer", "number")
            limits = {"minimum": limit.low, "maximum": limit.high}
            found = [{**one, **limits} if one.get("type") in numbers else one for one in found]
    return found
