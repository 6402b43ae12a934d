"""A folder that transformers loads: the encoder of a run with `model=hf`, its pooling and last layer, its tokenizer."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from litmus.inference import Predictor

CODE = Path(__file__).parent / "alone" / "pooled.py"
CLASS = "PooledForSequenceClassification"
ENDS = ("cls_token", "sep_token", "bos_token", "eos_token", "mask_token")


def write(predictor: Predictor, facts: dict[str, Any], folder: Path) -> None:
    """Writes weights, config and tokenizer; the code of the head goes beside them.

    Raises:
        ValueError: If the run is of another model, or does not classify.
    """
    from safetensors.torch import save_file

    net = predictor.module.net
    if "labels" not in facts or not predictor.config.model._target_.endswith(".HF"):
        raise ValueError(
            f"--format hf is for classifiers of model=hf, and this run has {predictor.config.model._target_}: "
            "take --format onnx, torch or safetensors"
        )
    encoder = {f"encoder.{name}": tensor for name, tensor in net.encoder.state_dict().items()}
    head = {f"head.{name}": tensor for name, tensor in net.head.state_dict().items()}
    weights = {name: tensor.contiguous().clone() for name, tensor in {**encoder, **head}.items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = net.encoder.config.to_dict()
    names = dict(enumerate(facts["labels"]))
    config |= {
        "architectures": [CLASS],
        "auto_map": {"AutoModelForSequenceClassification": f"pooled.{CLASS}"},
        "pooling": net.pool.kind,
        "id2label": names,
        "label2id": {name: index for index, name in names.items()},
        "pad_token_id": facts["padding"],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n")
    shutil.copyfile(CODE, folder / CODE.name)
    _tokenizer(predictor, facts).save_pretrained(folder)


def read(folder: Path, facts: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    """What transformers loads, as a function of ids."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).eval()

    def predict(tokens: Tensor) -> Tensor:
        mask = tokens != facts["padding"]
        mask[:, 0] = True
        with torch.inference_mode():
            logits: Tensor = model(input_ids=tokens, attention_mask=mask.long()).logits
        return logits.softmax(1)

    return predict


def _tokenizer(predictor: Predictor, facts: dict[str, Any]) -> Any:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer.from_str(predictor.data.vocabulary.tokenizer.to_str())
    found = {"pad_token": inner.id_to_token(facts["padding"]), "unk_token": inner.id_to_token(facts["empty"])}
    known = inner.get_vocab()
    for name, word in zip(ENDS, ("[CLS]", "[SEP]", "<s>", "</s>", "[MASK]"), strict=True):
        if word in known:
            found[name] = word
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=facts["max_length"], **found)
