"""A few of the cases of `make chaos`: what is done to a run, it goes on as if nothing had happened."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from chaos import faults, kills, scenarios
from chaos.cases import Case
from chaos.end import differences, plain
from chaos.trial import Reference, undisturbed

SCENARIOS = [
    "images, averaged, stopped early",
    "streams with a state" if "streams with a state" in scenarios.SCENARIOS else "own texts",
]
ATTACKS = {  # `make chaos` has workers, too
    "kills at random moments": kills.at_random,
    "newest checkpoint cut short": partial(faults.newest_checkpoint, faults.cut_short),
    "second process on a run": faults.second_process,
    "full disk": faults.full_disk,
    "kills as a checkpoint is written": kills.in_a_write,
    "newest checkpoint emptied": partial(faults.newest_checkpoint, faults.emptied),
    "all checkpoints cut short": faults.all_checkpoints,
}
ALWAYS = list(ATTACKS)[:4]  # on the first scenario; the others are slow
CASES = [Case(what, attack, scenario) for scenario in SCENARIOS for what, attack in ATTACKS.items()]


def marked(case: Case) -> Any:
    often = case.scenario == SCENARIOS[0] and case.what in ALWAYS
    return pytest.param(case, marks=[] if often else pytest.mark.slow, id=f"{case.what}, {case.scenario}")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Reference]:
    """What a scenario leaves that nothing happens to, worked out once."""
    return cache(lambda scenario: undisturbed(tmp_path_factory.mktemp("peace"), scenario, ""))


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_nothing_is_lost(case: Case, reference: Callable[[str], Reference], tmp_path: Path) -> None:
    result = case.result(tmp_path / "trial", reference(case.scenario), "0")
    if result.skipped:
        pytest.skip(result.skipped)
    assert not result.lost


def test_a_single_bit_would_be_seen() -> None:
    weights = torch.tensor([1.0, float("nan")])
    flipped = (weights.view(torch.int32) ^ torch.tensor([1, 0], dtype=torch.int32)).view(torch.float32)
    as_it_was, same, other = (plain({"state": [tensor]}, "") for tensor in (weights, weights.clone(), flipped))
    assert not list(differences(as_it_was, same)) and len(list(differences(as_it_was, other))) == 1
