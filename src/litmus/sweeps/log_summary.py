"""`python -m litmus.sweeps.log_summary FOLDER LOGGER`: puts the summary of a search into W&B, as a run of its own."""

import csv
import json
import sys
from pathlib import Path

from litmus.loggers.wandb import close_wandb, open_wandb


def main(folder: Path, settings: dict[str, object]) -> None:
    """One step a trial, and what is best.

    Args:
        folder: Of the sweep.
        settings: Of conf/logger/wandb.yaml, as its runs have them.
    """
    settings = {**settings, "group": folder.name, "name": f"sweep {folder.name}", "run_dir": str(folder)}
    del settings["_target_"]
    logger = open_wandb(**settings)  # type: ignore[arg-type]
    summary = json.loads((folder / "summary.json").read_text())
    with open(folder / "trials.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    logger.log_hyperparams({"sweep": folder.name, "objectives": summary["objectives"]})
    for row in rows:
        values = {metric: row[metric] for metric in summary["objectives"] if row[metric]}
        logger.log_metrics({name: float(value) for name, value in values.items()}, step=int(row["number"]))
    for key, value in summary.items():
        logger.experiment.summary[key] = value
    close_wandb(failed=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
