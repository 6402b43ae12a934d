"""Packages that not everybody has: extras of this project, which are asked for when they are used."""

import importlib.util
from collections.abc import Iterable


def need(user: str, packages: Iterable[str], extra: str) -> None:
    """Looks for packages without importing them.

    Raises:
        ValueError: With the first that is not installed, and the extra that brings it.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"{user} takes the package {package}: pip install 'litmus[{extra}]'")
