"""The README does what it says: a newcomer gets through, its paths exist, its numbers are those of the runs. The one in
Chinese says the same."""

import json
import os
import re
import shlex
import signal
import site
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import BLOCK, LINK, ROOT, commands, headings, prose

from litmus.claims.check import committed

README = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh-CN.md").read_text()
PATH = commands(README.split("\n## Your first quarter of an hour\n")[1].split("\n## ")[0], "bash")
LONG = ("python train.py", "litmus compare", "make test")  # a run more, or of several


def test_the_readme_is_a_page() -> None:
    assert len(README.splitlines()) < 150
    assert commands(README, "sh", "bash")[:2] == ["make train", "make test"]


@pytest.mark.parametrize(
    "target", ["train", "test", "setup", "lint", "bench", "chaos", "paper", "docs", "format", "help"]
)
def test_every_make_target_is_there(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_make_passes_overrides_on() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "train", "ARGS=model=resnet20 data=cifar10"], cwd=ROOT, capture_output=True, text=True
    )
    assert "train.py model=resnet20 data=cifar10" in done.stdout


def test_a_newcomer_gets_through_what_is_quick(tmp_path: Path) -> None:
    """On a fresh clone: the first run, and whatever is asked about it."""
    newcomer = Newcomer(tmp_path)
    quick = [command for command in PATH if not command.startswith(LONG)]
    for command in quick:
        EXPECTED[command](newcomer, newcomer.types(command))
    assert len(quick) >= 9


@pytest.mark.slow
def test_a_newcomer_gets_through(tmp_path: Path) -> None:
    """On a fresh clone, word by word."""
    newcomer = Newcomer(tmp_path)
    for command in PATH:
        EXPECTED[command](newcomer, newcomer.types(command))
    assert len(newcomer.runs()) == 7 and list(EXPECTED) == PATH


class Newcomer:
    """Somebody with an empty folder, a shell, and the packages of the running environment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.before = folder, ""
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
        for name in ("PYTHONPATH", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS"):  # of who runs the tests
            self.environment.pop(name, None)

    def types(self, command: str) -> str:
        """What the command prints."""
        given = command.replace("ADDRESS", shlex.quote(str(ROOT)))
        process = subprocess.Popen(
            ["bash", "-c", self.before + given],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        stopped = re.search(rf"^{re.escape(command)}\s+# Ctrl-C", README, re.MULTILINE) is not None
        if stopped:
            self._presses_ctrl_c(process)
        output, errors = process.communicate()
        assert stopped or process.returncode == 0, f"{command}: {output}{errors}"
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
            borrow_environment(self.folder)
        elif command.startswith("source "):
            self.before = f"{command} && "
        return output

    def _presses_ctrl_c(self, process: "subprocess.Popen[str]") -> None:
        """When the run has a checkpoint."""
        known = set(self.folder.glob("outputs/*"))
        while process.poll() is None:
            new = set(self.folder.glob("outputs/*")) - known
            if any(next(run.glob("checkpoints/step-*.ckpt"), None) for run in new):
                break
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)

    def runs(self) -> list[dict[str, object]]:
        """Their records, oldest first."""
        records = [json.loads(path.read_text()) for path in self.folder.glob("outputs/*/run.json")]
        return sorted(records, key=lambda record: str(record["started"]))

    def trained(self, count: int, status: str = "done") -> None:
        runs = self.runs()
        assert len(runs) == count and runs[-1]["status"] == status
        assert status != "done" or runs[-1]["metrics"]["test/accuracy"] > 0.7  # type: ignore[index]
        self.knows(self.folder / "outputs" / str(runs[-1]["id"]))

    @staticmethod
    def knows(run: Path) -> None:
        """Every file that a run leaves is named in the documentation."""
        page = (ROOT / "docs" / "reference" / "run-folder.md").read_text()
        for path in run.iterdir():
            assert f"`{path.name}{'/' if path.is_dir() else ''}" in page, path.name


def borrow_environment(project: Path) -> None:
    """What `make setup` makes, with the packages of the running environment and the project's own sources."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    packages = next(project.glob(".venv/lib/*/site-packages"))
    borrowed = [f"import site; site.addsitedir({folder!r})" for folder in site.getsitepackages()]
    (packages / "litmus.pth").write_text("\n".join([str(project / "src"), *borrowed]) + "\n")
    script = project / ".venv" / "bin" / "litmus"
    script.write_text(f"#!{project}/.venv/bin/python\nfrom litmus.cli import main\nmain()\n")
    script.chmod(0o755)
    (project / ".venv" / "ready").touch()


def _says(*parts: str) -> Callable[[Newcomer, str], None]:
    def check(newcomer: Newcomer, output: str) -> None:
        assert all(part in output for part in parts), output

    return check


def _leaves(*names: str) -> Callable[[Newcomer, str], None]:
    def check(newcomer: Newcomer, output: str) -> None:
        assert [name for name in names if not (newcomer.folder / name).exists()] == []

    return check


EXPECTED: dict[str, Callable[[Newcomer, str], None]] = {
    "git clone ADDRESS litmus": _leaves("litmus/train.py"),
    "cd litmus": _leaves("README.md"),
    "make train": lambda newcomer, output: newcomer.trained(1),
    "source .venv/bin/activate": _leaves(),
    "litmus runs show last": _says('"status": "done"', '"commit"', "test/accuracy"),
    "python train.py -m seed=0,1 epochs=4 name=plain": lambda newcomer, output: newcomer.trained(3),
    "python train.py -m seed=0,1 epochs=4 name=faster optimizer.lr=0.01": lambda newcomer, output: newcomer.trained(5),
    "litmus runs list": _says("cnn-digits", "done", "test/accuracy"),
    "litmus compare plain faster": _says("over 2 seeds that both have", "difference"),
    "litmus explain --key optimizer.lr": _says("conf/optimizer/adamw.yaml", "0.002"),
    "python train.py epochs=30": lambda newcomer, output: newcomer.trained(6, "interrupted"),
    "python train.py resume=last": lambda newcomer, output: newcomer.trained(6),
    next(line for line in PATH if line.startswith("python -c")): _leaves("zero.png"),
    "litmus predict last zero.png": _says("zero.png,0,"),
    "litmus add model mynet": _leaves("src/litmus/models/mynet.py", "conf/model/mynet.yaml"),
    "python train.py model=mynet epochs=4": lambda newcomer, output: newcomer.trained(7),
    'make test ARGS="-k mynet"': _says(" passed"),
}


def test_every_file_that_the_readme_names_is_there() -> None:
    for row in re.findall(r"^\| (`[^|]*`) \|", README.split("## Where to read")[1].split("##")[0], re.MULTILINE):
        folder = ""
        for name in re.findall(r"`([^`]+)`", row):
            path = ROOT / (name if "/" in name and (ROOT / name).exists() else f"{folder}{name}")
            assert path.exists(), name
            folder = f"{path.parent.relative_to(ROOT)}/"


def test_the_numbers_of_the_readme_are_those_of_the_runs() -> None:
    evidence = (ROOT / "experiments" / "README.md").read_text()
    rows = re.findall(r"^\| `(python train.py[^`]*)`[^|]*\| [a-z]+ ([\d.]+)", README, re.MULTILINE)
    assert len(rows) == 5
    for command, number in rows:
        found = re.search(rf"^\| `{re.escape(command)}` \|[^\d|]*([\d.]+)", evidence, re.MULTILINE)
        assert found and f"{float(found[1]):.3f}" == number, command


def test_the_readme_counts_the_claims_as_they_are() -> None:
    claims = committed()
    counts = Counter(row.verdict.word for row in claims)
    told = f"{counts['reproduced']} of {len(claims)} reproduce, {counts['deviates']} deviates"
    assert told in README, f"the README should say: {told}"


def out_of_step(english: str, chinese: str) -> list[str]:
    """What one of two READMEs says, and the other does not."""
    pairs: dict[str, Callable[[str], object]] = {
        "headings": lambda text: [level for level, _ in headings(text)],
        "languages of code blocks": lambda text: [language for language, _ in BLOCK.findall(text)],
        "commands": lambda text: commands(text, "sh", "bash"),
        "links": lambda text: [link for link in LINK.findall(text) if not link.startswith("README")],
        "code": lambda text: Counter(re.findall(r"`([^`\n]+)`", prose(text))),
        "rows": lambda text: [re.findall(r"`[^`]+`", row) for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)],
        "numbers": lambda text: Counter(re.findall(r"\d+(?:[.,]\d+)*", prose(text))),
        "numbers of the tables": lambda text: [
            sorted(re.findall(r"\d+(?:[.,]\d+)*", row)) for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)
        ],
    }
    return [what for what, of in pairs.items() if of(english) != of(chinese)]


def test_the_chinese_readme_says_the_same() -> None:
    assert out_of_step(README, CHINESE) == []
    assert len(re.findall(r"[\u4e00-\u9fff]", prose(CHINESE))) > 500
    assert not [words for _, words in headings(CHINESE)[1:] if words in README]


@pytest.mark.parametrize(
    ("old", "new", "noticed"),
    [
        ("\n## How to add", "\n### How to add", "headings"),
        ("\n## Where to read", "\n## News\n\n## Where to read", "headings"),
        ("make train   ", "make all     ", "commands"),
        ("```bash", "```sh", "languages of code blocks"),
        ("(docs/tutorial.md)", "(docs/index.md)", "links"),
        ("0.830", "0.840", "numbers of the tables"),
        ("22 of 25", "23 of 25", "numbers"),
        ("`resnet20`", "`resnet18`", "code"),
    ],
)
def test_a_change_of_one_readme_alone_is_noticed(old: str, new: str, noticed: str) -> None:
    assert old in README
    assert noticed in out_of_step(README.replace(old, new, 1), CHINESE)


def test_a_comment_may_be_translated() -> None:
    assert "commands" not in out_of_step(README.replace("# the tests", "# other words"), README)
