"""Bad input is one sentence with the value, the limit and the remedy, exit code 1, and nothing lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import available

CommandLine = Callable[..., int]
CASES = [
    ("model=cn", "model=cn does not exist: did you mean cnn?"),
    ("data=digit", "data=digit does not exist: did you mean digits?"),
    ("modle=cnn", "modle is not a key: did you mean model?"),
    ("trainer.max_epoch=3", "trainer.max_epoch is not a key: did you mean max_epochs?"),
    ("+model.chanels=[8]", "model.chanels is not known to litmus.models.cnn.cnn: did you mean channels?"),
    ("seed=abc", "seed: Value 'abc' of type 'str' could not be converted to Integer"),
    ("seed=-1", "seed=-1 is not from 0 to 4294967295"),
    ("trainer.max_epochs=many", "trainer.max_epochs=many is of the wrong type: pytorch_lightning.Trainer takes"),
    ("optimizer.lr=fast", "optimizer.lr=fast is of the wrong type: torch.optim.AdamW takes"),
    ("data.batch_size=4000", "data.batch_size=4000 is larger than the training set, which has 1293 examples"),
    ("model.channels=[8,8,8,8]", "model.channels has 4 blocks"),
    ("task.label_smoothing=1.5", "task.label_smoothing=1.5 is not a share"),
    ("data=image_folder", "data=image_folder needs data.root=FOLDER"),
    ("data.root=/proc/nowhere data=image_folder", "data.root=/proc/nowhere is no folder"),
    ("resume=nothing", "there are no runs in"),
    ("trainer=gpu", "trainer.accelerator=gpu, and torch finds no GPU here"),
    ("trainer.max_epochs=-1", "the schedule needs an end: give trainer.max_epochs or trainer.max_steps"),
    ("model.channels=[32,x]", "model.channels=[32, 'x'] is of the wrong type"),
    ("optimizer.betas=[0.9]", "optimizer.betas=[0.9] is of the wrong type"),
    ("model.dropout=2.0", "model.dropout=2.0 is not from 0 to 1"),
    ("model.dropout=nan", "model.dropout=nan is not from 0 to 1"),
    ("model.hidden=0", "model.hidden=0 is not from 1 to 1048576"),
    ("model.hidden={a:1}", "model.hidden={'a': 1} is of the wrong type: litmus.models.cnn.cnn takes int"),
    ("~model.hidden", "task.net: "),
    ("model.outputs=7", "model.outputs=7 and outputs=10 do not fit: leave model.outputs as it is, or give outputs=7"),
    ("model=null", "a folder of conf/ takes the name of a file in it"),
    ("name=\x1b[31m", "name=\N{REPLACEMENT CHARACTER}[31m can't be read: give KEY=VALUE"),
    ("data.classes.x=1", "a key does not fit what stands there (invalid literal for int() with base 10: 'x')"),
    ("trainer.accelerator=cpu trainer.devices=x", "trainer: `devices` selected with `CPUAccelerator` should be an int"),
    ("model.channels=[8", "model.channels=[8 can't be read: give KEY=VALUE"),
    ("callbacks.report=3", "callbacks.report=3 can't be built: give a _target_, as the files of conf/callbacks do"),
    ("trainer.check_val_every_n_epoch=0", "trainer.check_val_every_n_epoch=0 is not above 0"),
    ("trainer.val_check_interval=0", "trainer.val_check_interval=0 is not above 0"),
    ("trainer.val_check_interval=1000", "`val_check_interval` (1000) must be less than or equal to the number of"),
    ("trainer.plugins=[]", "trainer.plugins lacks litmus.checkpoint.AtomicCheckpointIO"),
    ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0 is not above 0"),
    ("name=${oc.env:LITMUS_NOWHERE}", "Environment variable 'LITMUS_NOWHERE' not found"),
    ("schedule.warmup=500.0", "schedule.warmup=500.0 is not a share of the run's steps"),
    ("seed=99999999999", "seed=99999999999 is not from 0 to 4294967295"),
    ("optimizer.lr=-1", "optimizer: Invalid learning rate: -1"),
    ("model._target_=os.system", "model._target_=os.system is not trusted"),
]
OF_EXAMPLES = [
    ("model=lenet", "model=lenet takes images from 28 x 28 to 32 x 32 pixels and these have 8 x 8"),
    ("data=trec data.source.encodings=[klingon]", "data.encodings=klingon is not an encoding"),
    ("data=ptb model=gpt tokenizer.min_count=-1", "data.tokenizer.min_count=-1 is not from 0 to 1048576"),
    ("data=mnist data.root=/proc/nowhere", "MNIST is not in /proc/nowhere"),
]
CASES += [case for case in OF_EXAMPLES if available(*case[0].split())]


@pytest.mark.parametrize(("override", "sentence"), CASES, ids=[case[0] for case in CASES])
def test_one_sentence_and_exit_code_1(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str], tmp_path: Path, override: str, sentence: str
) -> None:
    assert command_line("logger=csv", *override.split()) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and errors[0].startswith(f"error: {sentence}"), errors
    for path in tmp_path.glob("outputs/*/run.json"):  # a run that was begun is closed
        assert json.loads(path.read_text())["status"] == "failed"


def test_an_unreadable_checkpoint_is_one_sentence(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command_line("logger=csv", "trainer.max_epochs=1") == 0
    (path,) = tmp_path.glob("outputs/*/checkpoints/step-*.ckpt")
    path.write_bytes(path.read_bytes()[:1000])
    capsys.readouterr()
    assert command_line("resume=last") == 1
    assert "error: no checkpoint of " in capsys.readouterr().err


def test_a_fault_of_the_program_shows_its_cause_first_and_its_traceback(
    command_line: CommandLine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 do not fit")

    monkeypatch.setattr("litmus.tasks.classification.Classification.training_step", broken)
    assert command_line("logger=csv", "trainer.max_epochs=1") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: RuntimeError: mat1 and mat2 do not fit") and "Traceback" in error
