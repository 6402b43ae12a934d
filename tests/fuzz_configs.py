"""Configurations as people get them wrong: overrides over the real keys, with values that do not belong."""

import functools
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from fakes import FAKES
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hypothesis import strategies as st
from omegaconf import OmegaConf

from litmus.config import CONF

EVERY_KIND = ["cnn", "lstm", "transformer", "mlp"]
FITTING = {  # data sets of a kind, and the models that take it
    ("digits", "mnist", "cifar10", "image_folder", "shards"): [*EVERY_KIND, "lenet", "resnet20", "wide_resnet", "cct"],
    ("trec", "text_files", "imdb", "ag_news"): [*EVERY_KIND, "text_cnn"],
    ("ucr", "adding_problem", "diabetes", "table"): [*EVERY_KIND, "fcn", "lstm_fcn"],
    ("etth1", "series_file"): [*EVERY_KIND, "dlinear", "patchtst", "fcn", "lstm_fcn"],
    ("tinyshakespeare", "ptb"): ["gpt", "lstm_lm"],
    ("modular_arithmetic",): [*EVERY_KIND, "text_cnn"],
}
CALLBACKS = ["[default]", "[default,ema]", "[default,early_stopping]", "[ema]", "[]"]
LENGTH = ("epochs", "max_steps", "max_time", "batches", "resume")  # what may have a run go on for hours
OTHERS = ("devices", "num_nodes", "strategy", "workers")  # start other processes, or wait for other machines
RANDOM = st.randoms(use_true_random=True)  # every case is another one; hypothesis alone likes to repeat
SHORT = ["epochs=1", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1"]
INTEGERS = [
    "0", "-1", "-2", "1", "2", "3", "4", "5", "6", "7", "8", "12", "1000000000", "99999999999999999999", "-99999999999",
    "4294967296", "null", "1.0",
]  # fmt: skip
REALS = [
    "0", "1", "-1", "2", "0.5", "0.01", "0.99", "1.5", "-0.5", "1.0", "1e-30", "1e30", "1e400", "nan", "inf", "-inf",
    "null",
]  # fmt: skip
SWITCHES = ["true", "false", "null", "0", "maybe"]
LISTS = [
    "[]", "[1]", "[0]", "[-1]", "[1,2]", "[8,8,8]", "[a,b]", "[a,a]", "[null]", "[nan]", "[[1]]", "[0.1,2]", "[1,[2]]",
    "{}", "{a:1}", "{1:2}", "[{a:1}]", "{_target_:os.system}", "{_target_:litmus.models.mlp.MLP}", "{_partial_:true}",
]  # fmt: skip
WORDS = [
    "abc", "''", "' '", "é", "日本", "'a b'", "a.b", "/proc/nowhere", ".", "???", "last", "none", "2x", "007", "1,2",
    "[1", "${seed}", "${nowhere}", "${data}", "${.}", "${..}", "${data.nowhere}", "${oc.env:LITMUS_NOWHERE}",
    "${length:3}", "${length:${data}}", "${nosuch:1}", "${", "${}", "choice(1,2)", "{a", "'", '"', "a=b", "a:b", "\\",
    "#", "=",
]  # fmt: skip
PATTERNS = [
    *["{key}={value}"] * 12, "{key}=${{{key}}}", "~{key}", "~{key}={value}", "+{key}={value}", "++{key}={value}",
    "{key}x={value}", "+{key}x={value}", "+{key}.x={value}", "{key}.x={value}", "{top}={value}", "{top}.{last}={value}",
    "~{top}", "+{top}={value}", "{top}/{last}={value}", "{top}@{last}={value}", "{value}", "{key}", "{key}{value}",
]  # fmt: skip


@functools.cache
def values(*choices: str) -> dict[str, Any]:
    """Every path of the configuration that these overrides give, and what stands there; None for a group."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_container(compose("config", list(choices)))
    return dict(_paths(config, ""))


def _paths(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if path.endswith(OTHERS):
        return
    if path:
        yield path, None if isinstance(node, dict) else node
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        yield from _paths(value, f"{path}.{key}" if path else str(key))


@functools.cache
def files(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@st.composite
def overrides(draw: st.DrawFn, made: dict[str, list[str]]) -> list[str]:
    """A command line: choices that mostly fit, and one or two mistakes.

    Args:
        made: For each data set, the overrides that have it read its made-up files.
    """
    rng = draw(RANDOM)
    some, models = rng.choice(list(FITTING.items()))
    data = rng.choice(some)
    model = rng.choice(models * 16 + files("model"))
    choices = [f"data={data}", f"model={model}"]
    for group in ("optimizer", "schedule", "task", "tokenizer", "stem", "trainer"):
        if rng.random() < 0.06:
            choices.append(f"{group}={rng.choice([*files(group), 'nosuch'])}")
    choices.append(f"callbacks={rng.choice(CALLBACKS * 3 + ['[default,word_vectors]'])}")
    try:
        known = values("logger=csv", *choices)
    except Exception:  # such a choice is a mistake of its own
        known = values("logger=csv", "data=digits", "model=cnn")
    mistakes = [draw(mistake(rng, known)) for _ in range(rng.choice([1, 1, 2]))]
    endless = any(word in line for word in LENGTH for line in mistakes)
    quick = ["+trainer.fast_dev_run=true"] if endless or rng.random() < 0.7 else []
    return [*choices, *made[data], *SHORT, *mistakes, *quick]


@st.composite
def mistake(draw: st.DrawFn, rng: Random, known: dict[str, Any]) -> str:
    """Mostly a value of the right kind that is out of range, else anything."""
    leaves = [key for key, value in known.items() if value is not None and not key.endswith("_target_")]
    if rng.random() < 0.75:
        key = rng.choice(leaves)
        kinds = {bool: SWITCHES, int: INTEGERS, float: REALS, list: LISTS}
        return f"{key}={rng.choice(kinds.get(type(known[key]), WORDS))}"
    key, last = rng.choice(sorted(known)), rng.choice(sorted(known)).rpartition(".")[2]
    number = st.one_of(st.integers(), st.floats()).map(str)
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
    value = draw(
        st.one_of(st.sampled_from(WORDS), st.sampled_from(INTEGERS + REALS), st.sampled_from(LISTS), number, text)
    )
    return rng.choice(PATTERNS).format(key=key, value=value, top=key.partition(".")[0], last=last).lstrip("-")


def write_fakes(root: Path) -> dict[str, list[str]]:
    """Makes up the files of every data set that `overrides` chooses; gives what has them read."""
    made = {}
    for data in (name for some in FITTING for name in some):
        folder = root / data
        folder.mkdir(parents=True)
        made[data] = [f"data_root={folder}", "data.batch_size=4", *(FAKES[data](folder) or [])]
        if data in ("mnist", "cifar10", "etth1"):
            made[data].append("data.source.sha256=null")
    return made
