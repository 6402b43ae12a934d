"""Claims: what a verdict is made of, what is kept of the runs, and that neither can be changed unseen."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import available
from omegaconf import OmegaConf
from scipy import stats

from litmus.claims.check import committed, complaints, write_table
from litmus.claims.compare import Values, compare
from litmus.claims.paper import write
from litmus.claims.recipes import Recipe, chosen, read, recipes
from litmus.claims.reproduce import reproduce
from litmus.claims.results import load, path_of, save
from litmus.claims.table import BEGIN, END, headline, latex, markdown, rows_of
from litmus.claims.verdict import judge, summarize
from litmus.config import Claim

ROOT = Path(__file__).parents[1]
CLAIM = {
    "title": "A title",
    "paper": "Somebody 1999",
    "url": "https://example.org",
    "where": "table 1",
    "source_kind": "paper",
    "metric": "test/accuracy",
    "value": 0.9,
    "printed": "90 %",
    "tolerance": {"below": 0.02, "above": 0.01, "reason": "rounding"},
    "seeds": 2,
    "selection": "last step",
    "cost": "a second",
}


def recipe(**changes: Any) -> Recipe:
    claim = OmegaConf.merge(OmegaConf.structured(Claim), CLAIM, changes)
    return Recipe("mine", OmegaConf.to_object(claim), "abc")  # type: ignore[arg-type]


def run(seed: int, value: float | None, **facts: Any) -> dict[str, Any]:
    error = {} if value is not None else {"error": "it broke"}
    curves = {"train/loss": [[1, 2.0], [5, 1.0 + seed]], "val/loss": [[5, 1.5]]}
    facts = {"run": f"run-{seed}", "seconds": 3.0, "device": "cpu", "cores": 2, "cpu": "X", "curves": curves, **facts}
    return {"seed": seed, "value": value, "commit": "1234567890ab", "dirty": False, **facts, **error}


@pytest.mark.parametrize(
    ("changes", "values", "word"),
    [
        ({}, [0.881, 0.881], "reproduced"),
        ({}, [0.879, 0.879], "deviates"),
        ({}, [0.912, 0.912], "deviates"),
        ({}, [0.95, 0.86], "reproduced"),  # it is the mean that counts
        ({"direction": "at_least"}, [0.99, 0.99], "reproduced"),
        ({"direction": "at_least"}, [0.87, 0.87], "deviates"),
        ({"direction": "at_most"}, [0.1, 0.1], "reproduced"),
        ({"direction": "at_most"}, [0.92, 0.92], "deviates"),
        ({"fidelity": "proxy"}, [0.9, 0.9], "reported"),
        ({"seeds": 3}, [0.9, 0.9], "not run"),
        ({}, [0.9, None], "not run"),
        ({}, [], "not run"),
        ({"gpu": True}, [], "not runnable here"),
    ],
)
def test_a_verdict_is_of_the_mean_and_the_tolerance(
    changes: dict[str, Any], values: list[float | None], word: str
) -> None:
    runs = [run(seed, value) for seed, value in enumerate(values)]
    assert judge(recipe(**changes), runs, has_gpu=False).word == word


def test_a_run_that_ended_without_the_number_is_a_miss() -> None:
    verdict = judge(recipe(), [run(0, 0.9), {**run(1, None), "done": True}], has_gpu=False)
    assert verdict.word == "deviates" and "seed 1: it broke" in str(verdict)


def test_the_interval_is_students() -> None:
    found = summarize([1.0, 2.0, 4.0])
    low, high = stats.t.interval(0.95, 2, found.mean, stats.sem([1.0, 2.0, 4.0]))
    assert found.half == pytest.approx((high - low) / 2) and (found.low, found.high) == (1.0, 4.0)
    assert summarize([1.0]).half is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": "up"}, "claim.direction=up is none of two-sided"),
        ({"fidelity": "almost"}, "claim.fidelity=almost"),
        ({"tolerance": {"below": -1, "above": 0, "reason": ""}}, "claim.tolerance.below=-1.0 is not 0 or more"),
        ({"seeds": 0}, "claim.seeds=0"),
        ({"tolerence": 3}, "claim.tolerence"),
        ({"value": "much"}, "claim.value"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create({"name": "mine", "claim": {**CLAIM, **changes}})))
    with pytest.raises(ValueError, match=message):
        read(path)


def test_a_claim_lacks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OmegaConf.to_yaml(OmegaConf.create({"claim": {k: v for k, v in CLAIM.items() if k != "url"}})))
    with pytest.raises(ValueError, match=r"claim\.url"):
        read(path)


def test_what_a_recipe_says_decides_on_its_results_and_its_claim_does_not(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"

    def text(claim: dict[str, Any], **content: Any) -> str:
        path.write_text(OmegaConf.to_yaml(OmegaConf.create({**content, "claim": claim})))
        found = read(path)
        assert found is not None
        return found.text

    assert text(CLAIM, epochs=3) == text({**CLAIM, "miss": "why"}, epochs=3) != text(CLAIM, epochs=4)


def test_results_are_kept_by_seed_and_a_change_by_hand_is_seen(tmp_path: Path) -> None:
    save(recipe(), [run(1, 0.91), run(0, 0.9)], tmp_path)
    assert [each["seed"] for each in load(recipe(), tmp_path)] == [0, 1]
    assert load(Recipe("mine", recipe().claim, "another recipe"), tmp_path) == []
    path = path_of("mine", tmp_path)
    whole = path.read_text()
    for before, after in (("0.91", "0.92"), ("3.0", "2.0"), ("run-1", "run-2"), ('"abc"', '"abd"')):
        path.write_text(whole.replace(before, after, 1))
        with pytest.raises(ValueError, match="was changed by hand"):
            load(recipe(), tmp_path)
    path.write_text(whole[:-20])
    with pytest.raises(ValueError, match="can't be read"):
        load(recipe(), tmp_path)


def test_the_table_counts_honestly_and_is_written_into_its_place(tmp_path: Path) -> None:
    save(recipe(), [run(0, 0.9), run(1, 0.91)], tmp_path)
    rows = rows_of([recipe()], has_gpu=False, folder=tmp_path)
    assert headline(rows) == "1 of 1 claims are reproduced; 1 were run here."
    text = markdown(rows)
    assert "| 0.905 ± 0.064 | 2 | 0.9, 0.91 | +0.005 | reproduced | 3 s | 2 cores, X |" in text
    assert "- mine, commit 1234567890: 0: run-0, 1: run-1" in text
    assert r"0.905 $\pm$ 0.064" in latex(rows) and latex(rows).count("\n") == 7
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_table(tmp_path)
    known = committed(tmp_path)
    assert page.read_text() == f"before\n{BEGIN}\n{markdown(known)}\n{END}\nafter\n"
    assert not list(complaints(known, tmp_path))
    page.write_text(page.read_text().replace(END, f"and more\n{END}"))
    assert "is not what the results give" in next(complaints(known, tmp_path))


def test_a_miss_fails_until_its_reason_is_known(tmp_path: Path) -> None:
    save(recipe(), [run(0, 0.5), run(1, 0.5)], tmp_path)
    page = tmp_path / "README.md"
    for miss, count in ((None, 1), ("too few epochs", 0)):
        rows = rows_of([recipe(miss=miss)], has_gpu=False, folder=tmp_path)
        page.write_text(f"{BEGIN}\n{markdown(rows)}\n{END}\n")
        assert len(list(complaints(rows, tmp_path))) == count
        assert f"mine deviates: {miss or 'nobody knows why yet'}" in markdown(rows)


def test_a_paper_gets_tables_and_figures(tmp_path: Path) -> None:
    save(recipe(), [run(0, 0.9), run(1, 0.91)], tmp_path)
    paths = list(write(rows_of([recipe()], has_gpu=False, folder=tmp_path), tmp_path / "paper"))
    names = {path.name for path in paths}
    assert {"claims.md", "claims.tex", "bars.pdf", "bars.png", "cost.png", "curves-mine.pdf"} <= names
    assert all(path.stat().st_size > (100 if path.suffix in (".md", ".tex") else 5000) for path in paths)


def test_the_committed_results_hold() -> None:
    assert not list(complaints(committed()))


def test_recipes_are_chosen_by_name_or_are_the_daily_ones() -> None:
    if not available("experiment=airbench94"):
        pytest.skip("this project has recipes of its own")
    known = recipes()
    assert len(known) >= 20 and {"airbench94", "lenet5_mnist"} <= known.keys()
    assert [each.name for each in chosen(["mnist1d_cnn", "mnist1d_cnn"], False)] == ["mnist1d_cnn"]
    daily = chosen([], False)
    assert 14 <= len(daily) < len(chosen([], True)) == len(known) and all(each.claim.daily for each in daily)
    with pytest.raises(ValueError, match=r"mnist1d_cn is no recipe .* did you mean mnist1d_cnn"):
        chosen(["mnist1d_cn"], False)


def test_two_ways_are_compared_seed_by_seed() -> None:
    a, b = [0.90, 0.91, 0.93, 0.92, 0.95], [0.89, 0.90, 0.91, 0.92, 0.93]
    text = compare(Values("a", "x", dict(enumerate(a))), Values("b", "x", {**dict(enumerate(b)), 9: 0.1}))
    found = stats.ttest_rel(a, b)
    low, high = found.confidence_interval()
    assert f"{low:+.4g} to {high:+.4g} (paired t)" in text and f"p = {found.pvalue:.2g}" in text
    assert "over 5 seeds that both have" in text and "few" not in text
    few = compare(Values("a", "x", {0: 1.0, 1: 2.0}), Values("b", "x", {0: 0.9, 1: 2.05}))
    assert "that may be chance" in few and "2 pairs are few" in few
    assert "one seed says nothing" in compare(Values("a", "x", {0: 1.0}), Values("b", "x", {0: 0.9}))
    with pytest.raises(ValueError, match="no seed in common"):
        compare(Values("a", "x", {0: 1.0}), Values("b", "x", {1: 0.9}))


def test_two_seeds_can_be_compared_whatever_they_gave() -> None:
    """scipy's distribution is NaN far away from a small t, as of pairs of which one is equal."""
    better = compare(Values("a", "x", {0: 0.98, 1: 0.97}), Values("b", "x", {0: 0.98, 1: 0.96}))
    worse = compare(Values("b", "x", {0: 0.98, 1: 0.96}), Values("a", "x", {0: 0.98, 1: 0.97}))
    assert "+0.71 (Cohen's d of the pairs), 95 % interval -1.00 to +2.24" in better
    assert "-0.71 (Cohen's d of the pairs), 95 % interval -2.24 to +1.00" in worse


def test_the_interval_of_the_effect_is_the_one_of_the_noncentral_t() -> None:
    differences = dict(enumerate([0.1, 0.3, 0.2, 0.4, 0.0]))
    text = compare(Values("a", "x", differences), Values("b", "x", dict.fromkeys(differences, 0.0)))
    (line,) = (line for line in text.splitlines() if line.startswith("effect size"))
    low, high = (float(word) for word in line.rpartition("interval ")[2].split(" to "))
    score, root = 0.2 / stats.sem(list(differences.values())), 5**0.5
    assert stats.nct.sf(score, 4, low * root) == pytest.approx(0.025, abs=0.003)
    assert stats.nct.cdf(score, 4, high * root) == pytest.approx(0.025, abs=0.003)


def test_a_claim_is_what_its_recipe_says(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"optimizer\.lr=1: a claim is what its recipe says, so optimizer can't be"):
        reproduce([recipe()], None, None, False, ["threads=1", "optimizer.lr=1"], tmp_path, tmp_path)


@pytest.mark.slow
def test_a_claim_is_run_judged_kept_and_checked(tmp_path: Path) -> None:
    """As a user does, in a copy of the project with a claim of its own."""
    copy = tmp_path / "litmus"
    for name in ("src", "conf", "experiments"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / "train.py", copy)
    options = "defaults: [override /model: mlp]\nepochs: 1\ndata: {train_size: 320}\n"
    wide = {**CLAIM, "value": 0.5, "tolerance": {"below": 0.5, "above": 0.5, "reason": "any accuracy"}}
    claim = OmegaConf.to_yaml(OmegaConf.create({"claim": wide}))
    (copy / "conf" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{options}{claim}")
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}

    def litmus(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "litmus.cli", "--root", str(tmp_path / "out"), "reproduce", *words]
        return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=300)

    jobs = tmp_path / "out" / ".sweeps" / "jobs"
    done = litmus("mine", "logger=csv", "threads=1", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine: test/accuracy" in done.stdout and ": reproduced" in done.stdout and len(list(jobs.iterdir())) == 2
    content = json.loads((copy / "experiments" / "results" / "mine.json").read_text())
    first, second = content["runs"]
    assert (first["seed"], second["seed"]) == (0, 1) and first["data"].keys() == {"train", "test"}
    assert first["command"] == "python train.py experiment=mine seed=0"

    (copy / "experiments" / "results" / "mine.json").unlink()
    found = litmus("mine")  # the runs are still there
    assert found.returncode == 0 and len(list(jobs.iterdir())) == 2

    assert litmus("--check").returncode == 0
    page = copy / "experiments" / "README.md"
    page.write_text(page.read_text().replace("| reproduced |", "| deviates |", 1))
    assert litmus("--check").returncode == 1
    path = copy / "experiments" / "results" / "mine.json"
    path.write_text(path.read_text().replace('"seconds": ', '"seconds": 1', 1))  # --rerun would mend it
    wrong = litmus("--check")
    assert wrong.returncode == 1 and "was changed by hand" in wrong.stderr
