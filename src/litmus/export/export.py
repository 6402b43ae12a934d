"""`litmus export`: a run's network in a form that other programs take, with what stands before it and what it means."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from litmus.export import onnx_file, torch_file, transformers_folder, weights_file
from litmus.export.card import card
from litmus.export.check import LIMIT, difference
from litmus.export.whole import Whole
from litmus.extras import need
from litmus.folder import beside
from litmus.inference import Predictor

ALONE = Path(__file__).parent / "alone"  # code that is copied, and needs nothing of ours
NEEDS = {"onnx": onnx_file.NEEDS, "torch": (), "safetensors": ("safetensors",), "hf": ("safetensors",)}


def export(folder: Path, form: str, output: Path | None, count: int, overrides: Sequence[str]) -> tuple[Path, Any]:
    """Writes a folder, and compares what is in it with the run; gives its path and what came of that.

    Args:
        folder: Of the run.
        form: `onnx`, `torch`, `safetensors` or `hf`.
        output: A folder that is not there yet; None for export/FORMAT in that of the run, which is replaced.
        count: Examples of the test split to compare on; 0 for none.
        overrides: Values of the run's configuration to change, such as `data.root=DIR`.

    Raises:
        ValueError: If the run's network can't be written so, or what was written predicts something else.
    """
    need(f"--format {form}", NEEDS[form], "export")
    if output is not None and output.exists():
        raise ValueError(f"--output {output} is there already: give a folder that is not")
    predictor = Predictor(folder, overrides)
    target = (folder / "export" / form if output is None else output).absolute()
    partial = beside(target)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        facts = facts_of(predictor, folder)
        predict = write(predictor, facts, form, partial)
        facts["check"] = checked(predict, predictor, form, count) if count else None
        finish(predictor, facts, form, partial, folder)
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target, facts["check"]


def facts_of(predictor: Predictor, folder: Path) -> dict[str, Any]:
    """What a program has to know of the run, in plain values: preprocessing.json."""
    facts = {"run": folder.name, **predictor.data.preprocessing(), "predictions": predictor.columns}
    if getattr(predictor.data, "classes", None) is not None:
        facts["labels"] = list(predictor.data.classes)
    if hasattr(predictor.module, "target_mean"):
        facts["target_mean"] = predictor.module.target_mean.tolist()
        facts["target_std"] = predictor.module.target_std.tolist()
    return facts


def write(predictor: Predictor, facts: dict[str, Any], form: str, folder: Path) -> Callable[[Tensor], Tensor]:
    """Writes the network, and gives what can be read of it again as a function of inputs."""
    if form == "hf":
        transformers_folder.write(predictor, facts, folder)
        return transformers_folder.read(folder, facts)
    if form == "safetensors":
        weights_file.write(predictor, facts, folder)
        return weights_file.read(folder, predictor, facts)
    kind = onnx_file if form == "onnx" else torch_file
    whole = Whole(predictor.module, facts).eval()
    try:
        kind.write(whole, facts, folder)
    except Exception as error:  # of torch.export, which has many kinds
        raise ValueError(
            f"{predictor.config.model._target_} can't be written as --format {form}, --format safetensors takes any: "
            f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        ) from error
    predict: Callable[[Tensor], Tensor] = kind.read(folder)
    return predict


def checked(predict: Callable[[Tensor], Tensor], predictor: Predictor, form: str, count: int) -> dict[str, Any]:
    """What came of the comparison.

    Raises:
        ValueError: If the difference is above the limit.
    """
    try:
        examples, largest = difference(predict, predictor, count)
    except (AssertionError, RuntimeError) as error:  # a size that torch did not keep open
        raise ValueError(
            f"what --format {form} writes of {predictor.config.model._target_} fails on real examples: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error
    if largest > LIMIT:
        raise ValueError(
            f"--format {form} predicts something else than the run: on {examples} examples the largest difference is "
            f"{largest:.1e}, above {LIMIT:.0e}; nothing was written"
        )
    return {"examples": examples, "largest_difference": largest, "limit": LIMIT}


def finish(predictor: Predictor, facts: dict[str, Any], form: str, folder: Path, run: Path) -> None:
    """Writes what goes with the network: facts, tokenizer, a page to read, and a program that predicts."""
    (folder / "preprocessing.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(predictor, facts, form, run), encoding="utf-8")
    if facts["kind"] in ("text", "language") and form != "hf":
        predictor.data.vocabulary.tokenizer.save(str(folder / "tokenizer.json"))
    if form in ("onnx", "torch"):
        shutil.copyfile(ALONE / "predict.py", folder / "predict.py")
