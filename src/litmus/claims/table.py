"""The claims as a table: Markdown for experiments/README.md, LaTeX for a paper."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litmus.claims.recipes import Recipe
from litmus.claims.results import EXPERIMENTS, load
from litmus.claims.verdict import Summary, Verdict, judge
from litmus.folder import write_whole

BEGIN, END = "<!-- claims: `litmus reproduce` writes from here -->", "<!-- to here -->"
HEAD = ("claim", "paper", "here: mean, 95 % interval", "n", "from, to", "difference", "verdict", "a seed", "on")
NUMERIC = (2, 3, 4, 5)
SPECIAL = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "±": r"$\pm$", "~": r"\textasciitilde{}"}


@dataclass(frozen=True)
class Row:
    """A claim with all that is known of it."""

    recipe: Recipe
    runs: Sequence[Mapping[str, Any]]
    verdict: Verdict


def rows_of(recipes: Sequence[Recipe], has_gpu: bool, folder: Path = EXPERIMENTS) -> list[Row]:
    """A row a claim, with the results that are kept."""
    found = []
    for recipe in recipes:
        runs = load(recipe, folder)
        found.append(Row(recipe, runs, judge(recipe, runs, has_gpu)))
    return found


def cells(row: Row) -> list[str]:
    """Of a row of the table."""
    claim, summary = row.recipe.claim, row.verdict.summary
    number = f"{claim.metric} {claim.value:.4g} (-{claim.tolerance.below:g}, +{claim.tolerance.above:g})"
    paper = f"{claim.paper}, {claim.where}: {number}; printed {claim.printed}"
    measured = _measured(summary, claim.value) if summary else ["", "", "", ""]
    return [row.recipe.name, paper, *measured, str(row.verdict), _cost(row.runs), _hardware(row.runs)]


def _measured(summary: Summary, value: float) -> list[str]:
    half = f" ± {summary.half:.2g}" if summary.half is not None else ""
    ends = f"{summary.low:.4g}, {summary.high:.4g}"
    return [f"{summary.mean:.4g}{half}", str(summary.n), ends, f"{summary.mean - value:+.2g}"]


def _cost(runs: Sequence[Mapping[str, Any]]) -> str:
    seconds = [float(run["seconds"]) for run in runs if run.get("seconds")]
    return f"{statistics.median(seconds):,.0f} s" if seconds else ""


def _hardware(runs: Sequence[Mapping[str, Any]]) -> str:
    """The kinds of machine, most used first."""
    names = Counter(
        f"{run['cores']} cores, {run['cpu']}" if str(run["device"]) == "cpu" else str(run["device"])
        for run in runs
        if run.get("device")
    )
    return "; ".join(name for name, _ in names.most_common())


def headline(rows: Sequence[Row]) -> str:
    """The honest count."""
    counts = Counter(row.verdict.word for row in rows)
    with_results = sum(row.verdict.summary is not None for row in rows)
    words = {"deviates": "deviate", "reported": "reported", "not run": "not run", "not runnable here": "not runnable"}
    parts = [f"{counts[word]} {said}" for word, said in words.items() if counts[word]]
    rest = f" ({', '.join(parts)})" if parts else ""
    return f"{counts['reproduced']} of {len(rows)} claims are reproduced{rest}; {with_results} were run here."


def markdown(rows: Sequence[Row]) -> str:
    """The headline, the table, what deviates and why, and the runs behind it."""
    if not rows:
        return "No recipe claims anything yet."
    lines = [f"**{headline(rows)}**", "", _line(HEAD)]
    lines.append(_line(["---:" if place in NUMERIC else "---" for place in range(len(HEAD))]))
    lines += [*(_line(cells(row)) for row in rows), ""]
    for row in rows:
        if row.verdict.word == "deviates":
            lines.append(f"- {row.recipe.name} deviates: {row.recipe.claim.miss or 'nobody knows why yet'}")
    lines += ["", "<details><summary>The runs behind the numbers</summary>", ""]
    lines += [f"- {row.recipe.name}, {_commits(row.runs)}: {_ids(row.runs)}" for row in rows if row.runs]
    return "\n".join([*lines, "", "</details>"])


def _commits(runs: Sequence[Mapping[str, Any]]) -> str:
    found = {(str(run["commit"])[:10], " and changes" if run["dirty"] else "") for run in runs if run.get("commit")}
    return f"commit {', '.join(commit + changes for commit, changes in sorted(found)) or 'unknown'}"


def _ids(runs: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{run['seed']}: {run.get('run', 'failed')}" for run in runs)


def latex(rows: Sequence[Row]) -> str:
    """A booktabs table of what was run."""
    lines = [
        r"\begin{tabular}{llrrrrl}",
        r"\toprule",
        r"claim & source & value & here & $n$ & difference & verdict \\",
        r"\midrule",
    ]
    for row in rows:
        if row.verdict.summary is not None:
            name, _, mean, n, _, difference, verdict, *_ = cells(row)
            claim = row.recipe.claim
            fields = [name, claim.paper, f"{claim.value:.4g}", mean, n, difference, verdict]
            lines.append(" & ".join(map(_escaped, fields)) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(character, character) for character in text)


def _line(fields: Sequence[str]) -> str:
    return f"| {' | '.join(field.replace('|', chr(92) + '|') for field in fields)} |"


def write_into(path: Path, text: str) -> None:
    """Puts the table in its place in a page.

    Raises:
        ValueError: If the page has no such place.
    """
    before, _, after = _parts(path)
    write_whole(path, f"{before}{BEGIN}\n{text}\n{END}{after}")


def written_in(path: Path) -> str:
    """The table that a page has."""
    return _parts(path)[1].strip("\n")


def _parts(path: Path) -> tuple[str, str, str]:
    before, begin, rest = path.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the table of the claims: lines {BEGIN} and {END}")
    return before, table, after
