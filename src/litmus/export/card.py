"""README.md of what was exported: what it is, what it takes and gives, and how to use it."""

from pathlib import Path
from typing import Any

from litmus.folder import read_record
from litmus.inference import Predictor

INPUTS = {
    "image": "`uint8` pixels [batch, {0}, {1}, {2}] (height, width, channels), 0 to 255; they are normalised inside",
    "text": "`int64` ids of tokens [batch, length] by `tokenizer.json`, up to {0} of them, filled up with {1}",
    "language": "`int64` ids of tokens [batch, length] by `tokenizer.json`, {0}",
    "numbers": "`float32` numbers [batch, {0}, {1}] (steps, channels) in their own units; they are standardised inside",
    "forecast": "`float32` values [batch, {0}, {1}] (steps, channels) in their own units; they are standardised inside",
    "tokens": "`int64` ids of tokens [batch, {0}]",
}
USE = {
    "onnx": "`python predict.py FILE ...` prints what `model.onnx` says of new files, and shows a program how: it "
    "takes numpy and onnxruntime, Pillow for images, tokenizers for texts.",
    "torch": "`python predict.py FILE ...` prints what `model.pt2` says of new files, and shows a program how: it "
    "takes torch, Pillow for images, tokenizers for texts.",
    "safetensors": "`safetensors.torch.load_file('model.safetensors')` is the `state_dict` of the network that "
    "`config.json` names: `hydra.utils.instantiate(json.load(open('config.json')))` where Litmus is installed. It "
    "takes inputs that are normalised by `preprocessing.json`, and gives logits or standardised numbers.",
    "hf": "`AutoModelForSequenceClassification.from_pretrained(FOLDER, trust_remote_code=True)` with "
    "`AutoTokenizer.from_pretrained(FOLDER)`; the code is `pooled.py` beside this file, for transformers has no such "
    "head. `AutoModel.from_pretrained(FOLDER)` is the encoder alone, without that code.",
}


def card(predictor: Predictor, facts: dict[str, Any], form: str, folder: Path) -> str:
    """The text.

    Args:
        facts: As in preprocessing.json.
        form: A format.
        folder: Of the run.
    """
    metrics = read_record(folder).get("metrics") or {}
    tested = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name.startswith("test/"))
    check = facts["check"]
    sizes = {
        "image": [*facts.get("image_shape", [])[1:], *facts.get("image_shape", [])[:1]],
        "text": [facts.get("max_length"), facts.get("padding")],
        "tokens": [facts.get("length")],
        "language": [f"up to {facts['context']} of them" if facts.get("context") else "as many as there are"],
    }.get(facts["kind"], facts.get("shape"))
    lines = [
        f"# {folder.name}",
        "",
        f"The best weights of this run of `{predictor.config.model._target_}`{f': {tested}' if tested else ''}.",
        f"Written by `litmus export {folder.name} --format {form}`.",
        "",
        f"- **Inputs:** {INPUTS[facts['kind']].format(*sizes or [])}.",
        f"- **Predictions:** {meaning(facts)}.",
        "- **preprocessing.json** has sizes, labels and scales as plain values.",
        f"- **Checked** on {check['examples']} real examples: the largest difference from the run is "
        f"{check['largest_difference']:.1e}."
        if check
        else "- **Not checked** against the run.",
        "",
        USE[form],
        "",
    ]
    return "\n".join(lines)


def meaning(facts: dict[str, Any]) -> str:
    """What the outputs are."""
    if "labels" in facts:
        names = ", ".join(facts["labels"][:20]) + (", ..." if len(facts["labels"]) > 20 else "")
        return f"probabilities [batch, {len(facts['labels'])}] of {names}"
    if facts["kind"] == "language":
        return f"logarithms of the probabilities [batch, length, {facts['vocabulary']}] of what comes after each token"
    if facts["kind"] == "forecast":
        return f"the next steps [batch, {facts['horizon']}, {len(facts['columns'])}] of {', '.join(facts['columns'])}"
    return f"numbers [batch, {len(facts['predictions'])}] in the units of the target"
