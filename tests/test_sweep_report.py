"""The page of a sweep: what stands in it, by what was asked of its runs and what came of them."""

import json
import re
from pathlib import Path
from typing import Any

from litmus.sweeps.figures import history, parallel_coordinates, varied
from litmus.sweeps.job import Job
from litmus.sweeps.report import write_report
from litmus.sweeps.trials import cost_of, point_of, trials_of


def job(root: Path, label: str, status: str, value: float | None = None, **facts: Any) -> Job:
    """One with a run that somebody else wrote."""
    name = re.sub(r"\W", "-", label)
    folder, run = root / ".sweeps" / "jobs" / name, root / f"run-{name}"
    folder.mkdir(parents=True)
    (folder / "run").write_text(run.name)
    run.mkdir()
    (run / "report.html").write_text("")
    best = {} if value is None else {"objective": {"metric": "val/loss", "mode": "min", "value": value}}
    (run / "run.json").write_text(json.dumps({"id": run.name, "status": status, "seconds": 2.5, **best, **facts}))
    return Job(label, (), folder, root, "grid-1")


def test_a_grid_shows_the_best_first_and_means_over_seeds(tmp_path: Path) -> None:
    times = {"started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T00:00:10+00:00"}
    jobs = [
        job(tmp_path, f"model={model} seed={seed}", "done", value + seed / 10, metrics={"test/f1": value}, **times)
        for model, value in (("mlp", 0.5), ("cnn", 0.2))
        for seed in (0, 1)
    ]
    error = {"type": "ValueError", "message": "<no> more"}
    trials = trials_of([*jobs, job(tmp_path, "model=gpt seed=0", "failed", error=error)], "val/loss")
    assert varied(trials) == ["model", "seed"] and trials[4].reason == "ValueError: <no> more"
    assert cost_of(trials) == {"done": 10.0, "failed": 2.5, "from start to end": 10.0}
    text = write_report(tmp_path / ".sweeps" / "grid-1", trials, ("val/loss", "min"), ["again"]).read_text()
    assert "5 trials: 4 done, 1 failed" in text and "&lt;no&gt; more" in text
    rows = [re.sub("<[^>]+>", " ", row).split() for row in re.findall("<tr>.*?</tr>", text)]
    assert ["cnn", "2", "0.25", "0.6353", "0.2", "0"] in rows  # 12.71 x 0.05: Student's t of two
    ranked = [row[0] for row in rows if len(row) > 5 and row[1] in ("done", "failed")]
    assert ranked == ["2", "3", "0", "1", "4"]
    links = re.findall('<a href="([^"]+)"', text)
    assert len(links) == 5 and all((tmp_path / ".sweeps" / "grid-1" / link).exists() for link in links)


def test_the_best_so_far_goes_the_way_of_the_objective(tmp_path: Path) -> None:
    labels = [("lr=0.1", 0.5), ("lr=0.001", 0.7), ("lr=0.01", 0.3)]
    trials = trials_of([job(tmp_path, label, "done", value) for label, value in labels], "val/loss")
    best = {}
    for mode in ("min", "max"):
        figure = history(trials, "val/loss", mode)
        assert figure is not None
        best[mode] = list(figure.axes[0].lines[-1].get_ydata())
    assert best == {"min": [0.5, 0.5, 0.3], "max": [0.5, 0.7, 0.7]}
    figure = parallel_coordinates(trials, "val/loss", "min")
    assert figure is not None
    lines = [
        line.get_ydata() for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_linewidth() > 1
    ]
    assert [[round(float(height), 3) for height in line] for line in lines] == [[0.0, 1.0], [1.0, 0.5], [0.5, 0.0]]
    assert history([], "val/loss", "min") is None and parallel_coordinates(trials[:1], "val/loss", "min") is None


def test_a_label_is_read_as_values() -> None:
    label = "data.batch_size=16 model.channels=[8] model=cnn compile=true"
    point = {"data.batch_size": 16, "model.channels": "[8]", "model": "cnn", "compile": True}
    assert point_of(label) == point and point_of("") == {}
