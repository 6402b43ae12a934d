"""Limits that stand in a signature are held against what a configuration gives."""

import math
from typing import Any

import pytest

from litmus.limits import Depth, Shape, Share, Size, Sizes, exceeded


@pytest.mark.parametrize(
    ("value", "hint"),
    [(1, Size), (0.5, Share), (1, Share), ([3, 32, 32], Shape), ([8], Sizes), (None, Size | None), (7, Size | None)],
)
def test_what_is_within_is_taken(value: Any, hint: Any) -> None:
    assert exceeded(value, hint) is None


@pytest.mark.parametrize(
    ("value", "hint", "sentence"),
    [
        (0, Depth, "from 1 to 1000"),
        (-1, Size | None, "from 1 to 1048576"),
        (math.nan, Share, "from 0 to 1"),
        (math.inf, Share, "from 0 to 1"),
        ([8, 0], Sizes, "from 1 to 1048576"),
        ([], Sizes, "a list of 1 to 1000"),
        ([32, 32], Shape, "a list of 3"),
    ],
)
def test_what_is_not_is_named(value: Any, hint: Any, sentence: str) -> None:
    assert str(exceeded(value, hint)) == sentence
