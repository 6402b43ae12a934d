"""Series in memory: what is declared against what is there, the scale of the training part, gaps, and every source."""

import importlib.util
import random
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import on_cpu
from fakes import fake, write_csv
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from litmus.data.series.adding import AddingProblem
from litmus.data.series.gaps import close_gaps
from litmus.data.series.mnist1d import generate
from litmus.data.series.modular import ModularArithmetic, equations
from litmus.data.series.numbers import input_columns, numeric_columns, read_numbers, target_classes
from litmus.data.series.scale import Scale
from litmus.data.series.series_data import SeriesData
from litmus.data.series.ucr import Ucr, read_ts
from litmus.trust import check

Compose = Callable[..., DictConfig]
FROZEN_LABELS = [2, 6, 4, 5, 6, 6, 6, 0]  # of the package, whose recipe has seed 42
FROZEN_STEPS = [-0.3320, -0.4719, -0.7787]
ROWS = [("age", "city", "price"), (1, "Rome", 10), (2, "Oslo", 20), (3, "Rome", 30), (4, "Bonn", 40)]


class Fixed:
    """A source of two small arrays a split."""

    def __init__(self, series: NDArray[np.float32], targets: NDArray[Any]) -> None:
        self.series, self.targets = series, targets

    def prepare(self, root: Path) -> None: ...

    def load(self, root: Path, split: str) -> tuple[NDArray[np.float32], NDArray[Any]]:
        return self.series.copy(), self.targets


def series_data(source: Fixed, **changes: Any) -> SeriesData:
    """Twenty series of two channels with different units, and a target."""
    values: dict[str, Any] = {
        "root": "", "length": 6, "channels": 2, "num_classes": None, "classes": None, "targets": 1, "columns": None,
        "standardise": "channel", "missing": "refuse", "batch_size": 4, "validation": 0.2, "split_seed": 0, "seed": 0,
        "workers": 0, "train_size": None, **changes,
    }  # fmt: skip
    return SeriesData(source, **values)


def numbers(count: int = 20) -> Fixed:
    rng = np.random.default_rng(0)
    series = rng.normal([100, -3], [10, 0.1], (count, 6, 2)).astype(np.float32)
    return Fixed(series, series[:, :1, 0] * 1000)


def set_up(config: DictConfig, stage: str = "fit") -> Any:
    check(config.data, "data")
    return on_cpu(instantiate(config.data, _convert_="all"), stage)


def seen(data: SeriesData) -> torch.Tensor:
    """All training inputs of an epoch, as the network gets them."""
    return torch.cat([inputs for inputs, _ in data.train_dataloader()])


def test_training_inputs_have_mean_0_and_deviation_1_in_every_channel() -> None:
    inputs = seen(on_cpu(series_data(numbers())))
    assert inputs.shape == (16, 6, 2) and inputs.dtype == torch.float32
    torch.testing.assert_close(inputs.mean((0, 1)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std((0, 1), correction=0), torch.ones(2))


def test_columns_of_a_table_are_standardised_one_by_one() -> None:
    inputs = seen(on_cpu(series_data(numbers(), standardise="column")))
    torch.testing.assert_close(inputs.mean(0), torch.zeros(6, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std(0, correction=0), torch.ones(6, 2))
    source = numbers()
    raw = seen(on_cpu(series_data(source, standardise="none")))
    assert torch.isin(raw, torch.from_numpy(source.series)).all()


def test_what_is_constant_is_shifted_and_not_blown_up() -> None:
    scale = Scale.of(torch.tensor([[0.1, 1.0], [0.1, 3.0]]), (0,))
    torch.testing.assert_close(scale(torch.tensor([0.1, 3.0])), torch.tensor([0.0, 1.0]))
    values = torch.randn(5, 2)
    torch.testing.assert_close(scale.undo(scale(values)), values)


def test_neither_validation_nor_test_series_have_a_part_in_the_scale() -> None:
    source = numbers()
    held_out = on_cpu(series_data(source)).val_set.chosen
    source.series[held_out] += 1e6
    torch.testing.assert_close(seen(on_cpu(series_data(source))), seen(on_cpu(series_data(numbers()))))


def test_a_run_that_is_loaded_standardises_as_it_did_without_its_training_data() -> None:
    trained = on_cpu(series_data(numbers()))
    trained.setup("test")
    state = trained.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    shifted = Fixed(numbers().series + 50, numbers().targets)
    loaded = on_cpu(series_data(shifted), "test")
    with pytest.raises(ValueError, match=r"fit first, or load the state of a run"):
        loaded.test_dataloader()
    loaded.load_state_dict(state)
    before, after = next(iter(trained.test_dataloader()))[0], next(iter(loaded.test_dataloader()))[0]
    torch.testing.assert_close(after - before, (50 / state["std"]).expand_as(before), atol=1e-3, rtol=1e-3)
    loaded.setup("validate")
    assert torch.equal(loaded.state_dict()["mean"], state["mean"])


def test_targets_are_described_by_the_training_part() -> None:
    data = on_cpu(series_data(numbers()))
    chosen = data.train_set.targets[data.train_set.chosen]
    torch.testing.assert_close(data.target_mean, chosen.mean(0))
    torch.testing.assert_close(data.target_std, chosen.std(0, correction=0))


def test_fewer_training_series_leave_the_others_alone() -> None:
    everything, fewer = on_cpu(series_data(numbers())), on_cpu(series_data(numbers(), train_size=5))
    assert len(fewer.train_set) == 5 and torch.equal(fewer.val_set.chosen, everything.val_set.chosen)
    assert torch.equal(fewer.train_set.chosen, everything.train_set.chosen[:5])


def test_the_fingerprint_follows_series_and_targets() -> None:
    def of(source: Fixed) -> str:
        return on_cpu(series_data(source)).fingerprints["train"]  # type: ignore[no-any-return]

    before, series, targets = numbers(), numbers(), numbers()
    series.series[3, 2, 1] += 1
    targets.targets = targets.targets + 1
    assert of(before) == of(numbers()) and len({of(before), of(series), of(targets)}) == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"length": 7}, "data.length=7 and data.channels=2, and the series are 6 x 2: give data.length=6"),
        ({"targets": 3}, r"data.targets=3, and the train targets are \[1\] an example"),
        ({"targets": None}, "data.classes and data.targets are both null"),
        ({"classes": ["a"], "num_classes": 2}, "data.classes names 1 classes and data.num_classes is 2"),
        ({"columns": ["a"]}, "data.columns names 1 columns, and an example has 6 x 2 numbers"),
        ({"validation": 1.0}, "data.validation=1.0 is not a share"),
    ],
)
def test_data_that_do_not_match_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        on_cpu(series_data(numbers(), **changes))


def test_labels_outside_the_classes_are_refused() -> None:
    source = Fixed(numbers().series, np.arange(20) % 3)
    assert on_cpu(series_data(source, classes=["a", "b", "c"], num_classes=3)).train_set.targets.max() == 2
    with pytest.raises(ValueError, match=r"label 2 of train example 2 is outside the 2 of data.classes"):
        on_cpu(series_data(source, classes=["a", "b"], num_classes=2))


def test_a_missing_value_is_named_or_filled_from_its_neighbours() -> None:
    source = numbers()
    source.series[7, 1:3, 1] = [np.nan, np.inf]
    source.series[7, 0, 1], source.series[7, 3, 1] = 1, 4
    source.series[8, 4:, 0] = np.nan
    with pytest.raises(ValueError, match=r"train example 7: step 1 of channel 1 is nan: .*data.missing=interpolate"):
        on_cpu(series_data(source))
    filled = on_cpu(series_data(source, missing="interpolate")).train_set.inputs
    assert filled[7, :4, 1].tolist() == [1, 2, 3, 4]
    assert filled[8, 4:, 0].tolist() == [filled[8, 3, 0]] * 2
    source.series[9, :, 0] = np.nan
    with pytest.raises(ValueError, match=r"train example 9: step 0 of channel 0 and all steps after it are missing"):
        on_cpu(series_data(source, missing="interpolate"))
    source = numbers()
    source.targets[4] = np.nan
    with pytest.raises(ValueError, match=r"the target of train example 4 is \[nan\]"):
        on_cpu(series_data(source, missing="interpolate"))


def test_what_has_no_gaps_is_not_copied() -> None:
    values = numbers().series
    assert close_gaps(values, "refuse", lambda *place: "") is values


def test_new_examples_are_read_from_lines_and_standardised_alike(tmp_path: Path) -> None:
    data = on_cpu(series_data(numbers()))
    write_csv(tmp_path / "new.csv", [row.flatten().tolist() for row in numbers().series[:3]])
    names, inputs = zip(*data.examples(tmp_path / "new.csv"), strict=True)
    assert names == tuple(f"{tmp_path}/new.csv:{line}" for line in (1, 2, 3))
    torch.testing.assert_close(data.batch(inputs), data.scale(torch.from_numpy(numbers().series[:3])))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ([1] * 11, "new.csv:1 has 11 cells, and an example has 12"),
        ([1] * 11 + ["x"], "new.csv:1: number 12 is 'x', not a number"),
        ([""] + [1] * 11, "new.csv:1: step 0 of channel 0 is nan"),
    ],
)
def test_a_line_that_is_no_example_is_refused(tmp_path: Path, line: Sequence[object], sentence: str) -> None:
    data = on_cpu(series_data(numbers()))
    write_csv(tmp_path / "new.csv", [line])
    with pytest.raises(ValueError, match=sentence):
        list(data.examples(tmp_path / "new.csv"))


def test_adding_problem_marks_two_numbers_and_gives_their_sum() -> None:
    source = AddingProblem(length=10, train=500, test=50, seed=0)
    sequences, sums = source.load(Path(), "train")
    assert sequences.shape == (500, 10, 2) and sums.shape == (500, 1)
    assert (sequences[..., 1].sum(1) == 2).all() and set(np.unique(sequences[..., 1])) == {0, 1}
    assert np.allclose((sequences[..., 0] * sequences[..., 1]).sum(1), sums[:, 0])
    assert abs(((sums - 1) ** 2).mean() - 1 / 6) < 0.02
    assert set(sequences[..., 1].argmax(1)) >= set(range(9))
    assert not np.isin(source.load(Path(), "test")[0][..., 0], sequences[..., 0]).any()


def test_diabetes_patients_are_in_train_or_in_test(composed: Compose) -> None:
    data = set_up(composed("data=diabetes"))
    data.setup("test")
    assert (len(data.train_set), len(data.val_set), len(data.test_set)) == (282, 71, 89)
    assert (data.train_set.targets.min(), data.train_set.targets.max()) == (25, 346)
    rows = {tuple(row.flatten().tolist()) for row in data.train_set.inputs}
    assert not any(tuple(row.flatten().tolist()) in rows for row in data.test_set.inputs)


@pytest.mark.skipif(importlib.util.find_spec("mnist1d") is None, reason="needs litmus[series]")
def test_mnist1d_is_the_frozen_set_and_made_once(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed("data=mnist1d", f"data.root={tmp_path}")
    data = set_up(config)
    data.setup("test")
    assert data.train_set.inputs.shape == (4000, 40, 1) and data.test_set.inputs.shape == (1000, 40, 1)
    assert data.train_set.targets[:8].tolist() == FROZEN_LABELS
    assert data.train_set.inputs[0, :3, 0].tolist() == pytest.approx(FROZEN_STEPS, abs=1e-4)
    monkeypatch.setattr("litmus.data.series.mnist1d.generate", None)  # calling it would fail
    assert set_up(config).fingerprints["train"] == data.fingerprints["train"]


@pytest.mark.skipif(importlib.util.find_spec("mnist1d") is None, reason="needs litmus[series]")
def test_making_mnist1d_leaves_the_global_generators_alone() -> None:
    import mnist1d.data  # noqa: F401  # what it imports may draw

    before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    shuffled, plain = generate(True), generate(False)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]
    assert np.allclose(np.sort(shuffled["x"]), np.sort(plain["x"])) and not np.allclose(shuffled["x"], plain["x"])


def test_without_its_package_mnist1d_says_what_to_install(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(ValueError, match=r"data=mnist1d needs the package mnist1d: pip install 'litmus\[series\]'"):
        set_up(composed("data=mnist1d", f"data.root={tmp_path}"))
    assert not any(tmp_path.rglob("*.npz"))


def test_ucr_says_which_facts_another_problem_needs(composed: Compose, tmp_path: Path) -> None:
    config = fake(composed, tmp_path, "ucr")
    path = tmp_path / "ucr" / "ItalyPowerDemand"
    with pytest.raises(
        ValueError, match=r"data.length=9 and data.channels=1, and the series are 24 x 1: give data.length=24"
    ):
        set_up(fake(composed, tmp_path, "ucr", "data.length=9"))
    for split in ("TRAIN", "TEST"):
        text = (path / f"ItalyPowerDemand_{split}.ts").read_text()
        (path / f"ItalyPowerDemand_{split}.ts").write_text(text.replace(":2\n", ":up\n"))
    given = ["data.length=24", "data.channels=1", 'data.classes=["1","up"]']
    with pytest.raises(
        ValueError, match=r"has other classes .* give " + re.escape(f"{' '.join(given[:2])} '{given[2]}'")
    ):
        set_up(config)
    assert set_up(fake(composed, tmp_path, "ucr", *given)).classes == ["1", "up"]


def test_a_ucr_problem_that_is_nowhere_is_named_with_the_places(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=f"problem=Nowhere is not in {tmp_path}/ucr/Nowhere.*pip install --no-deps aeon"
    ):
        Ucr("Nowhere", ["1"]).prepare(tmp_path)


def test_ts_files_give_channels_and_refuse_unequal_lengths(tmp_path: Path) -> None:
    path = tmp_path / "x.ts"
    path.write_text("#words\n@data\n1,2,?:4,5,6:walk\n\n0,0,0:1,1,1:run\n")
    series, labels = read_ts(path)
    assert series.shape == (2, 3, 2) and labels == ["walk", "run"]
    assert np.array_equal(series[0], np.array([[1, 4], [2, 5], [np.nan, 6]]), equal_nan=True)
    path.write_text("@data\n1,2,3:a\n1,2:b\n")
    with pytest.raises(ValueError, match=r"x.ts:3 has 2 steps and the first series 3: series of different lengths"):
        read_ts(path)
    path.write_text("@data\n1,2,x:a\n")
    with pytest.raises(ValueError, match=r"x.ts:2 can't be read as a series"):
        read_ts(path)


def test_every_equation_is_there_once_and_right() -> None:
    for operation, count in (("add", 49), ("divide", 42)):
        tokens, results = equations(operation, 7)  # type: ignore[arg-type]
        a, sign, b, equals = tokens.T
        assert len(set(map(tuple, tokens.tolist()))) == len(tokens) == count
        assert set(sign.tolist()) == {7} and set(equals.tolist()) == {8}
        assert torch.equal((a + b) % 7 if operation == "add" else a, results if operation == "add" else results * b % 7)


def test_half_of_the_pairs_are_trained_on_and_no_pair_twice(composed: Compose) -> None:
    data: ModularArithmetic = set_up(composed("data=modular_arithmetic"))
    assert data.train_set is not None and data.train_set.chosen is not None
    sizes = [len(data.train_set), len(data.val_set), len(data.test_set)]
    assert sizes == [4656, 2328, 2328]
    parts = [part.chosen for part in (data.train_set, data.val_set, data.test_set) if part.chosen is not None]
    assert sorted(torch.cat(parts).tolist()) == list(range(97 * 96))
    again = set_up(composed("data=modular_arithmetic", "seed=5"))
    assert torch.equal(again.train_set.chosen, data.train_set.chosen)
    other = set_up(composed("data=modular_arithmetic", "data.split_seed=5"))
    assert not torch.equal(other.train_set.chosen, data.train_set.chosen)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.modulus=91"], "data.modulus=91 is not a prime"),
        (["data.modulus=89"], r"are \(100, 4, 99\), and tokens modulo 89 need \(92, 4, 91\)"),
        (["data.train=0.8"], "data.train=0.8 and data.validation=0.25 leave no pairs for testing"),
    ],
)
def test_arithmetic_that_can_not_be_is_refused(composed: Compose, overrides: list[str], sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        set_up(composed("data=modular_arithmetic", *overrides))


def test_pairs_to_predict_are_read_and_shown_as_equations(composed: Compose, tmp_path: Path) -> None:
    data = set_up(composed("data=modular_arithmetic"))
    write_csv(tmp_path / "new.csv", [(3, 5), (96, 97)])
    examples = data.examples(tmp_path / "new.csv")
    _, tokens = next(examples)
    assert tokens.tolist() == [3, 97, 5, 98] and data.words(tokens) == "3 / 5 ="
    with pytest.raises(ValueError, match=r"new.csv:2 is no pair of whole numbers from 0 to 96"):
        next(examples)


def table(composed: Compose, root: Path, rows: Sequence[Sequence[object]], *overrides: str) -> DictConfig:
    write_csv(root / "houses.csv", rows)
    return composed("data=table", f"data.path={root}/houses.csv", "data.batch_size=1", *overrides)


def test_a_table_gives_numbers_or_classes(composed: Compose, tmp_path: Path) -> None:
    rows = [("a", "b", "y"), *((i, -i, 10 + i % 3) for i in range(50))]
    data = set_up(table(composed, tmp_path, rows, "data.target=y"))
    data.setup("test")
    assert (len(data.train_set) + len(data.val_set), len(data.test_set)) == (40, 10)
    assert data.train_set.inputs.shape == (40, 2, 1) and data.train_set.targets.shape == (40, 1)
    assert not torch.isin(data.test_set.inputs[:, 0], data.train_set.inputs[:, 0]).any()
    config = table(composed, tmp_path, rows, "data.target=y", "task=classification", "data.columns=[b]")
    assert config.outputs == 3 and config.data.length == 1 and config.objective.metric == "val/accuracy"
    data = set_up(config)
    assert data.classes == ["10", "11", "12"] and data.train_set.inputs.shape == (40, 1, 1)


def test_a_table_of_its_own_is_tested_on_if_there_is_one(composed: Compose, tmp_path: Path) -> None:
    write_csv(tmp_path / "new.csv", [("price", "age"), (7, 70), (8, 80)])
    data = set_up(
        table(
            composed,
            tmp_path,
            ROWS,
            "data.target=price",
            "data.columns=[age]",
            f"data.test_path={tmp_path}/new.csv",
            "data.validation=0.4",
        )
    )
    data.setup("test")
    assert len(data.train_set) == len(ROWS) - 1 - 2
    assert data.test_set.inputs.flatten().tolist() == [70, 80] and data.test_set.targets.flatten().tolist() == [7, 8]


@pytest.mark.parametrize(
    ("rows", "overrides", "sentence"),
    [
        (ROWS, ["data.target=prise"], "houses.csv has no column prise: there is age, city, price"),
        (ROWS, [], "data=table needs data.target=COLUMN, one of age, city, price"),
        (ROWS, ["data.target=price"], "houses.csv:2: city is 'Rome', not a number"),
        (ROWS, ["data.target=price", "data.columns=[size]"], "has no column size"),
        ([*ROWS, ("", "Rome", 5)], ["data.target=price", "data.columns=[age]"], "houses.csv:6: age is empty: mend it"),
        ([*ROWS, (5, "Rome", "inf")], ["data.target=price", "data.columns=[age]"], "houses.csv:6: price is inf"),
        ([*ROWS, (5, "Rome")], ["data.target=price", "data.columns=[age]"], ":6: 2 cells, and the header has 3"),
        (ROWS[:1], ["data.target=price", "data.columns=[age]"], "houses.csv has no rows"),
        ([], ["data.target=price"], "houses.csv is empty"),
        (ROWS, ["data.target=price", "data.columns=[age]", "data.test=0.0"], "data.test=0.0 is not a share"),
    ],
)  # fmt: skip
def test_a_table_that_can_not_be_used_is_refused(
    composed: Compose, tmp_path: Path, rows: Sequence[Sequence[object]], overrides: list[str], sentence: str
) -> None:
    with pytest.raises(Exception, match=sentence):
        set_up(table(composed, tmp_path, rows, *overrides))


def test_a_class_that_is_new_in_the_test_table_is_refused(composed: Compose, tmp_path: Path) -> None:
    write_csv(tmp_path / "new.csv", [("age", "city"), (7, "Paris")])
    more = ["data.target=city", "data.columns=[age]", "task=classification", f"data.test_path={tmp_path}/new.csv"]
    with pytest.raises(ValueError, match=r"city is Paris, which is not one of Bonn, Oslo, Rome: add it"):
        set_up(table(composed, tmp_path, ROWS, *more), "test")


def test_examples_of_a_table_are_found_by_the_names_of_its_columns(composed: Compose, tmp_path: Path) -> None:
    rows = [("a", "b", "y"), *((i, -i, i) for i in range(50))]
    data = set_up(table(composed, tmp_path, rows, "data.target=y"))
    write_csv(tmp_path / "new.csv", [("b", "x", "a"), (1, "?", 2), ("", "?", 3)])
    examples = data.examples(tmp_path / "new.csv")
    name, example = next(examples)
    assert name == f"{tmp_path}/new.csv:2"
    torch.testing.assert_close(example, torch.tensor([[2.0], [1.0]]))
    with pytest.raises(ValueError, match=r"new.csv:3: b is nan"):
        next(examples)


def test_parquet_says_the_same_as_csv(composed: Compose, tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    header, *rows = ROWS
    write_csv(tmp_path / "x.csv", ROWS)
    parquet.write_table(
        pyarrow.Table.from_pylist([dict(zip(header, row, strict=True)) for row in rows]), tmp_path / "x.parquet"
    )
    csv, same = (tmp_path / f"x.{suffix}" for suffix in ("csv", "parquet"))
    assert np.array_equal(read_numbers(csv, ["price", "age"], False), read_numbers(same, ["price", "age"], False))
    assert numeric_columns(str(csv)) == numeric_columns(str(same)) == ["age", "price"]
    assert target_classes(str(csv), "city", "classification") == target_classes(str(same), "city", "classification")
    with pytest.raises(ValueError, match=r"x.parquet row 1: city is 'Rome', not a number"):
        read_numbers(same, ["city"], False)


def test_a_configuration_learns_what_a_table_holds(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_csv(
        path, [("date", "n", "empty", "word", "y"), ("2020-01-01", "", "", "a", 10), ("2020-01-02", 3, "", "b", 9)]
    )
    assert numeric_columns(str(path)) == ["n", "y"]
    assert input_columns(str(path), "y") == ["date", "n", "empty", "word"]
    assert target_classes(str(path), "y", "classification") == ["9", "10"]  # by value, where they are numbers
    assert target_classes(str(path), "y", "regression") is None
    write_csv(path, [("n", "y"), (1, "b"), (2, "a")])
    assert target_classes(str(path), "y", "classification") == ["a", "b"]
    with pytest.raises(ValueError, match=r"nowhere.csv does not exist"):
        numeric_columns(f"{tmp_path}/nowhere.csv")
    with pytest.raises(ValueError, match=r"is not a .csv, .tsv or .parquet table"):
        numeric_columns(str(Path(__file__)))
