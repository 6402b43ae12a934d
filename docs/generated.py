"""The pages of the reference that nobody writes: `conf/`, the command line and the docstrings, as they are now."""

import argparse
import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

from litmus.cli import parser
from litmus.command import first_comment, help_text
from litmus.config import CONF

FOLDER = "reference/generated"
PACKAGE = Path(__file__).parents[1] / "src" / "litmus"
WITHOUT_GROUP = "config"  # the page of the files that stand beside the groups
SECTION = re.compile(r"^(Args|Attributes|Raises):$")
ENTRY = re.compile(r"^ {4}(\w+): ?(.*)$")


def write(docs: Path) -> None:
    """Puts the pages where Sphinx looks for them, and removes those of what is no longer there."""
    found = pages()
    for old in (docs / FOLDER).rglob("*.md"):
        if str(old.relative_to(docs)) not in found:
            old.unlink()
    for name, text in found.items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:  # Sphinx reads again what is newer
            path.write_text(text)


def pages() -> dict[str, str]:
    """All of them, by their paths under docs/."""
    parts = {"conf": dict(configuration()), "python": dict(modules())}
    found = {f"{FOLDER}/{part}/{name}.md": text for part, named in parts.items() for name, text in named.items()}
    return {**found, f"{FOLDER}/train.md": train_page(), f"{FOLDER}/litmus.md": command_page()}


def configuration() -> Iterator[tuple[str, str]]:
    """A page for each folder of conf/: its files with their comments, in which every key stands."""
    for folder in [CONF, *sorted(path for path in CONF.rglob("*") if path.is_dir())]:
        files = sorted(folder.glob("*.yaml"))
        if not files:
            continue
        group = folder.relative_to(CONF).as_posix() if folder != CONF else None
        title = group or "every run"
        rows = [f"| [`{file.stem}`](#{file.stem.lower()}) | {_cell(first_comment(file))} |" for file in files]
        sections = [f"## {file.stem}\n\n```yaml\n{file.read_text().rstrip()}\n```" for file in files]
        where = f"The files of `conf/{group}/`." if group else "The files that stand in `conf/` itself."
        table = "\n".join(["| choice | what it is |", "|---|---|", *rows])
        yield (group or WITHOUT_GROUP).replace("/", "-"), "\n\n".join([f"# {title}", where, table, *sections]) + "\n"


def train_page() -> str:
    """The help of train.py."""
    return f"# python train.py\n\n```text\n{help_text()}\n```\n"


def command_page() -> str:
    """The verbs of `litmus`, with all their arguments."""
    os.environ["COLUMNS"] = "88"  # what argparse wraps at
    return "\n\n".join(["# litmus", *_verbs(parser(), 2)]) + "\n"


def _verbs(one: argparse.ArgumentParser, level: int) -> Iterator[str]:
    """What a parser says of itself, and then the parsers below it."""
    usage = one.format_usage().removeprefix("usage: ").rstrip().replace("\n" + 7 * " ", "\n")
    rows = [
        f"| {_names(action)} | {_cell(one._get_formatter()._expand_help(action) if action.help else '')} |"
        for action in one._actions
        if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
    ]
    yield f"```text\n{usage}\n```"
    if rows:
        yield "\n".join(["| argument | what it is |", "|---|---|", *rows])
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help for choice in action._choices_actions}
            for name, verb in action.choices.items():
                yield f"{'#' * level} {verb.prog}"
                if told.get(name):
                    yield f"{str(told[name])[:1].upper()}{str(told[name])[1:]}."
                yield from _verbs(verb, level + 1)


def _names(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = f" {action.metavar or action.dest.upper()}" if action.nargs != 0 else ""
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def modules() -> Iterator[tuple[str, str]]:
    """A page for each package: what its modules are for, and their public classes and functions. Read, not imported."""
    for folder in [PACKAGE, *sorted(path for path in PACKAGE.rglob("*") if path.is_dir())]:
        paths = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
        if paths:
            name = ".".join(folder.relative_to(PACKAGE.parent).parts)
            yield name, "\n\n".join([f"# {name}", *(part for path in paths for part in _module(path))]) + "\n"


def _module(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    yield f"## {path.stem}"
    yield _prose(ast.get_docstring(tree))
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield from _object(node)


def _object(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    """A signature, what it is for, and of a class its public methods that have something to say."""
    yield f"```python\n{_signature(node)}\n```"
    yield _prose(ast.get_docstring(node))
    for method in node.body if isinstance(node, ast.ClassDef) else ():
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and ast.get_docstring(method):
            first, *_ = (ast.get_docstring(method) or "").split("\n\n")
            yield f"- `{node.name}.{method.name}`: {' '.join(first.split())}"


def _signature(node: ast.ClassDef | ast.FunctionDef) -> str:
    """As it is called: a class with the parameters of its start."""
    start = node
    if isinstance(node, ast.ClassDef):
        own = (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")
        if (start := next(own, node)) is node:
            return f"class {node.name}"
    assert isinstance(start, ast.FunctionDef)
    given = [each for each in start.args.posonlyargs + start.args.args if each.arg not in ("self", "cls")]
    ends = {arg.arg: ast.unparse(value) for arg, value in _defaults(start.args)}
    words = [ast.unparse(arg) + (f" = {ends[arg.arg]}" if arg.arg in ends else "") for arg in given]
    words += [f"*{ast.unparse(start.args.vararg)}"] if start.args.vararg else []
    words += [ast.unparse(arg) + (f" = {ends[arg.arg]}" if arg.arg in ends else "") for arg in start.args.kwonlyargs]
    words += [f"**{ast.unparse(start.args.kwarg)}"] if start.args.kwarg else []
    line = f"{node.name}({', '.join(words)})"
    if len(line) > 88:
        line = f"{node.name}(\n    " + ",\n    ".join(words) + ",\n)"
    result = f" -> {ast.unparse(node.returns)}" if isinstance(node, ast.FunctionDef) and node.returns else ""
    return ("class " if isinstance(node, ast.ClassDef) else "") + line + result


def _defaults(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr]]:
    places = arguments.posonlyargs + arguments.args
    if arguments.defaults:
        yield from zip(places[-len(arguments.defaults) :], arguments.defaults, strict=True)
    for name, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if value is not None:
            yield name, value


def _prose(docstring: str | None) -> str:
    """A docstring as Markdown: `Args:` and the like become lists."""
    lines: list[str] = []
    inside = False
    for line in (docstring or "").splitlines():
        if SECTION.match(line):
            lines += [f"*{line[:-1]}*", ""]
            inside = True
        elif inside and (entry := ENTRY.match(line)):
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif inside and line.startswith(" "):
            lines.append(f"  {line.strip()}")
        else:
            inside = inside and not line
            lines.append(line)
    return "\n".join(lines)
