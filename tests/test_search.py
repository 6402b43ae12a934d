"""A search by itself, with runs that somebody else wrote: what it proposes, counts, prunes and adopts."""

import json
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from litmus.snapshot import resolve
from litmus.sweeps.job import Job, identity, note_run
from litmus.sweeps.plan import Plan
from litmus.sweeps.search import Search
from litmus.sweeps.space import Space, overrides_of

CONF = Path(__file__).parents[1] / "conf"
SWEEPS = sorted(path.stem for path in (CONF / "sweep").glob("*.yaml") if path.stem != "default")
Compose = Callable[..., DictConfig]


def open_search(composed: Compose, root: Path, *overrides: str, **settings: Any) -> Search:
    """Of a learning rate only, by the median, unless said otherwise."""
    config = composed("sweep=default", "sweep.objectives=[{metric:val/loss,mode:min}]", *overrides).sweep
    declared = {"space": {"optimizer.lr": "interval(0.0, 1.0)"}, **settings}
    with open_dict(config):
        return Plan(OmegaConf.merge(config, declared), "mine", [], composed_of(composed)).open(root)


def composed_of(composed: Compose) -> Callable[[list[str]], DictConfig]:
    return lambda words: composed(*words)


def write_run(job: Job, monkeypatch: pytest.MonkeyPatch, status: str, losses: list[float], **record: Any) -> None:
    """What a run leaves that validated so often."""
    run = job.root / f"run-{job.folder.name}"
    run.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("LITMUS_JOB", str(job.folder))
    monkeypatch.setenv("WANDB_RUN_GROUP", job.group)
    note_run(run)
    best = {"objective": {"metric": "val/loss", "mode": "min", "value": min(losses)}} if losses else {}
    (run / "run.json").write_text(
        json.dumps({"status": status, "heartbeat": "2026-01-01T00:00:00+00:00", **best, **record})
    )
    rows = [f"{step},{step},val/loss,{loss}" for step, loss in enumerate(losses)]
    (run / "metrics.csv").write_text("\n".join(["step,epoch,metric,value", *rows]) + "\n")


def finish(search: Search, monkeypatch: pytest.MonkeyPatch, status: str, losses: list[float], **record: Any) -> None:
    job = search.next(nothing)
    assert job is not None
    write_run(job, monkeypatch, status, losses, **record)
    search.tell(job, job.outcome())
    job.release()


def nothing(job: Job) -> bool:
    """What an executor adopts that ends with its sweep."""
    return False


def states(search: Search) -> list[str]:
    return [trial.state.name for trial in search.study.get_trials(deepcopy=False)]


@pytest.mark.parametrize("name", SWEEPS)
def test_every_provided_space_can_be_trained(composed: Compose, name: str) -> None:
    plan = Plan(composed(f"sweep={name}").sweep, name, [], composed_of(composed))
    examples = list(plan.examples())
    assert len(examples) >= 3
    for overrides in examples:
        config = composed(*overrides)
        (metric, mode) = next(iter(plan.objectives.items()))
        assert (config.objective.metric, config.objective.mode, config.test) == (metric, mode, False)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("choice(cnn, mlp)", optuna.distributions.CategoricalDistribution(["cnn", "mlp"])),
        ("a,null,true,[1,2],3", optuna.distributions.CategoricalDistribution(["a", "null", True, "[1,2]", 3])),
        ("interval(0.1, 1)", optuna.distributions.FloatDistribution(0.1, 1.0)),
        ("tag(log, interval(0.001, 1))", optuna.distributions.FloatDistribution(0.001, 1.0, log=True)),
        ("int(interval(1, 9))", optuna.distributions.IntDistribution(1, 9)),
        ("range(1, 5)", optuna.distributions.IntDistribution(1, 4)),
        ("range(0, 100, step=32)", optuna.distributions.IntDistribution(0, 96, step=32)),
        ("range(0, 1, step=0.25)", optuna.distributions.FloatDistribution(0.0, 0.75, step=0.25)),
    ],
)
def test_hydras_syntax_says_what_is_drawn(text: str, kind: optuna.distributions.BaseDistribution) -> None:
    (parameter,) = Space({"key": text}).parameters
    assert parameter.values == kind


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({}, "sweep.space is empty"),
        ({"a": "3"}, "a=3 is one value"),
        ({"a": "interval(2, 1)"}, "sweep.space: a=interval"),
        ({"a": "tag(log, interval(0, 1))"}, "sweep.space: a=tag"),
        ({"a": "choice("}, "is no sweep"),
        ({"a": {"values": "1,2", "when": {"b": 1}}}, "a depends on b, not drawn before"),
    ],
)
def test_what_is_no_space_is_refused(declared: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        Space(declared)
    assert sentence in str(error.value)


def test_a_condition_holds_in_draws_and_grids() -> None:
    space = Space({"model": "cnn,mlp", "model.hidden": {"values": "1,2,3", "when": {"model": "cnn"}}})
    assert [overrides_of(point) for point in space.grid()] == [
        ["model=cnn", "model.hidden=1"],
        ["model=cnn", "model.hidden=2"],
        ["model=cnn", "model.hidden=3"],
        ["model=mlp"],
    ]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [space.draw(study.ask()) for _ in range(30)]
    assert {("model.hidden" in point, point["model"]) for point in points} == {(True, "cnn"), (False, "mlp")}


def test_the_command_line_fixes_and_varies(composed: Compose) -> None:
    sweep = composed("sweep=digits_quick").sweep
    given = OverridesParser.create().parse_overrides(
        ["model=cnn", "data.batch_size=8,16", "epochs=2", "sweep.trials=3"]
    )
    plan = Plan(sweep, "digits_quick", given, composed_of(composed))
    overrides = [word for example in plan.examples() for word in example]
    assert "model=cnn" in overrides and "model=mlp" not in overrides
    assert "data.batch_size=8" in overrides and overrides.count("epochs=2") == len(list(plan.examples()))
    assert not {"epochs=12", "sweep.trials=3"} & set(overrides)
    assert (
        plan.id != Plan(sweep, "digits_quick", [], composed_of(composed)).id
    )  # another search, with a folder of its own


def test_failures_and_nan_count_and_do_not_stop_a_search(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = open_search(composed, tmp_path, "sweep.trials=4")
    finish(search, monkeypatch, "done", [0.5, 0.3, 0.4])
    finish(search, monkeypatch, "failed", [], error={"type": "ValueError", "message": "no\nmore"})
    finish(search, monkeypatch, "done", [])  # nothing but NaN
    finish(search, monkeypatch, "done", [0.2])
    assert (
        states(search) == ["COMPLETE", "FAIL", "FAIL", "COMPLETE"]
        and not search.more()
        and search.next(nothing) is None
    )
    assert [trial.user_attrs.get("reason") for trial in search.ended()] == [
        None, "ValueError: no", "val/loss was never a finite number", None,
    ]  # fmt: skip
    assert [trial.number for trial in search.best()] == [3] and search.best()[0].value == 0.2

    again = open_search(composed, tmp_path, "sweep.trials=4")
    again.retry_failed()
    assert again.more() and len(again.ended()) == 2
    finish(again, monkeypatch, "done", [0.1])
    finish(again, monkeypatch, "done", [0.6])
    assert not again.more() and again.best()[0].number == 4
    assert again.study.trials[4].params == search.study.trials[1].params


def test_a_trial_that_is_behind_is_pruned(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = open_search(composed, tmp_path, "sweep.pruner.n_startup_trials=2")
    finish(search, monkeypatch, "done", [0.5, 0.3, 0.2])
    finish(search, monkeypatch, "done", [0.5, 0.3, 0.1])
    job = search.next(nothing)
    assert job is not None and search.is_promising(job)
    write_run(job, monkeypatch, "running", [0.9])
    assert search.is_promising(job)  # warm-up
    write_run(job, monkeypatch, "running", [0.9, 0.29])
    assert search.is_promising(job)
    write_run(job, monkeypatch, "running", [0.9, 0.29, 0.28])
    assert not search.is_promising(job)
    write_run(job, monkeypatch, "pruned", [0.9, 0.29, 0.28])
    search.tell(job, job.outcome())
    assert states(search) == ["COMPLETE", "COMPLETE", "PRUNED"]


def test_a_trial_of_nan_is_pruned_and_has_failed(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = open_search(composed, tmp_path, "sweep.pruner.n_startup_trials=1", "sweep.pruner.n_warmup_steps=0")
    finish(search, monkeypatch, "done", [0.5, 0.3, 0.2])
    for values, state in (([math.nan, math.nan], "FAIL"), ([0.9, math.nan], "PRUNED")):
        job = search.next(nothing)
        assert job is not None
        write_run(job, monkeypatch, "running", values)
        search.is_promising(job)
        write_run(job, monkeypatch, "pruned", values)
        search.tell(job, job.outcome())
        assert states(search)[-1] == state


def test_two_searches_share_a_study_and_adopt_what_a_dead_one_left(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (open_search(composed, tmp_path, "sweep.trials=3") for _ in range(2))
    first, second = one.next(nothing), two.next(nothing)
    assert first is not None and second is not None and first.folder != second.folder
    third = two.next(nothing)
    assert third is not None and two.next(nothing) is None and one.next(nothing) is None and one.more()
    first.release()  # as if its search had been killed before its run began
    assert two.next(nothing) == first and len({job.overrides for job in (first, second, third)}) == 3
    second.release()  # as if it had been killed after its run ended
    write_run(second, monkeypatch, "done", [0.3])
    three = open_search(composed, tmp_path, "sweep.trials=3")
    assert three.next(nothing) is None and states(three) == ["RUNNING", "COMPLETE", "RUNNING"]


def test_a_search_is_for_what_its_runs_are_best_at(composed: Compose) -> None:
    given = OverridesParser.create().parse_overrides(["optimizer.lr=interval(0,1)", "data=imdb", "model=lstm"])
    plan = Plan(composed("sweep=default").sweep, "default", given, composed_of(composed))
    assert plan.objectives == {"val/accuracy": "max"}


def test_a_key_of_the_space_can_be_fixed_to_nothing(composed: Compose) -> None:
    given = OverridesParser.create().parse_overrides(["model.dropout=null"])
    plan = Plan(composed("sweep=digits_quick").sweep, "digits_quick", given, composed_of(composed))
    assert any("model.dropout=null" in example for example in plan.examples())


def test_what_changes_no_result_makes_no_other_search_and_no_other_job(composed: Compose, tmp_path: Path) -> None:
    def plan(*words: str) -> Plan:
        given = OverridesParser.create().parse_overrides(list(words))
        return Plan(composed("sweep=digits_quick").sweep, "digits_quick", given, composed_of(composed))

    assert plan("threads=1", "epochs=2").id == plan("epochs=2", "logger=csv", "output_root=o").id != plan("epochs=3").id
    here, there, other = (
        identity(resolve(composed("data=mnist", *words)))
        for words in (["workers=2"], [f"data_root={tmp_path}", "tags=[a]"], ["data.batch_size=7"])
    )
    assert here == there != other


def test_a_line_that_a_kill_cut_short_is_left_out(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = open_search(composed, tmp_path, "sweep.trials=3")
    finish(search, monkeypatch, "done", [0.3])
    with open(search.folder / "journal.log", "a") as journal:
        journal.write('{"op_code": 4, "work')
    for loss in (0.2, 0.1):
        finish(open_search(composed, tmp_path, "sweep.trials=3"), monkeypatch, "done", [loss])
    assert states(open_search(composed, tmp_path, "sweep.trials=3")) == ["COMPLETE"] * 3


def test_a_grid_is_whole_even_if_it_was_not_put_into_the_study_at_once(composed: Compose, tmp_path: Path) -> None:
    words, space = ("sweep/sampler=grid", "sweep.trials=4"), {"seed": "range(4)"}
    search = open_search(composed, tmp_path, *words, space=space)
    jobs = [search.next(nothing) for _ in range(2)]
    again = open_search(composed, tmp_path, *words, space=space)
    jobs += [again.next(nothing) for _ in range(2)]
    assert sorted(job.overrides[-1] for job in jobs if job) == ["seed=0", "seed=1", "seed=2", "seed=3"]
    assert len(again.study.trials) == 4 and again.next(nothing) is None


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_in_a_study_is_not_read(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("sweep/sampler=cmaes", "sweep.sampler.n_startup_trials=1", "sweep.trials=11")
    space = {"optimizer.lr": "interval(0.0, 1.0)", "model.dropout": "interval(0.0, 1.0)"}
    search = open_search(composed, tmp_path, *words, space=space)
    job = search.next(nothing)
    assert job is not None
    poison = pickle.dumps(Payload(tmp_path / "ran")).hex()
    search.storage.set_trial_system_attr(search.running[job]._trial_id, "cma:optimizer:0", poison)
    write_run(job, monkeypatch, "done", [0.3])
    search.tell(job, job.outcome())
    job.release()
    again = open_search(composed, tmp_path, *words, space=space)
    for loss in (0.2, 0.1, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.25, 0.15):
        finish(again, monkeypatch, "done", [loss])
    assert not (tmp_path / "ran").exists()
    assert any("cma:optimizer:0" in trial.system_attrs for trial in again.study.trials[1:])  # its own is


def test_the_best_is_confirmed_with_seeds_that_the_search_has_not_seen(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed("sweep=default", "sweep.confirm=2").sweep
    given = OverridesParser.create().parse_overrides(["seed=2", "data=digits", "optimizer.lr=interval(0,1)"])
    plan = Plan(config, "mine", given, composed_of(composed))
    search = plan.open(tmp_path)
    finish(search, monkeypatch, "done", [0.3])
    assert [words[-1] for words in plan.confirmations(search)] == ["seed=1", "seed=3"]
    assert all("test=false" not in words and "seed=2" not in words for words in plan.confirmations(search))


def test_several_objectives_have_several_best_trials(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = open_search(
        composed, tmp_path, "sweep.objectives=[{metric:val/loss,mode:min},{metric:parameters,mode:min}]"
    )
    finish(search, monkeypatch, "done", [0.3], parameters=100)
    finish(search, monkeypatch, "done", [0.2], parameters=200)
    finish(search, monkeypatch, "done", [0.4], parameters=300)
    assert sorted(trial.number for trial in search.best()) == [0, 1]


def test_the_study_may_stand_in_sqlite(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (f"sweep.storage='sqlite:///{tmp_path}/study.db'", "sweep.trials=2")
    finish(open_search(composed, tmp_path, *words), monkeypatch, "done", [0.3])
    assert states(open_search(composed, tmp_path, *words)) == ["COMPLETE"]


def test_what_is_tried_first_stands_in_the_space_or_beside_it(composed: Compose, tmp_path: Path) -> None:
    point = {"optimizer.lr": 0.25, "clip": 1.0}
    job = open_search(composed, tmp_path, first=[point]).next(nothing)
    assert job is not None and job.overrides[-2:] == ("optimizer.lr=0.25", "clip=1.0")
    with pytest.raises(ValueError, match=r"sweep.first: optimizer.lr=2.0 is not in"):
        open_search(composed, tmp_path, first=[{"optimizer.lr": 2.0}])
