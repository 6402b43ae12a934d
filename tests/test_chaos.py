"""A few of the cases of `make chaos`: what is done to a run, it goes on as if nothing had happened."""

from functools import partial
from pathlib import Path

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
CASES = [  # `make chaos` has workers, too
    Case("kills at random moments", kills.at_random, SCENARIOS[0]),
    Case("kills as a checkpoint is written", kills.in_a_write, SCENARIOS[1]),
    Case("newest checkpoint cut short", partial(faults.newest_checkpoint, faults.cut_short), SCENARIOS[0]),
    Case("newest checkpoint emptied", partial(faults.newest_checkpoint, faults.emptied), SCENARIOS[1]),
    Case("all checkpoints cut short", faults.all_checkpoints, SCENARIOS[1]),
    Case("second process on a run", faults.second_process, SCENARIOS[1]),
    Case("full disk", faults.full_disk, SCENARIOS[1]),
]


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reference]:
    return {scenario: undisturbed(tmp_path_factory.mktemp("peace"), scenario, "") for scenario in SCENARIOS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_nothing_is_lost(case: Case, references: dict[str, Reference], tmp_path: Path) -> None:
    result = case.result(tmp_path / "trial", references[case.scenario], "0")
    if result.skipped:
        pytest.skip(result.skipped)
    assert not result.lost


def test_a_single_bit_would_be_seen() -> None:
    weights = torch.tensor([1.0, float("nan")])
    flipped = (weights.view(torch.int32) ^ torch.tensor([1, 0], dtype=torch.int32)).view(torch.float32)
    as_it_was, same, other = (plain({"state": [tensor]}, "") for tensor in (weights, weights.clone(), flipped))
    assert not list(differences(as_it_was, same)) and len(list(differences(as_it_was, other))) == 1
