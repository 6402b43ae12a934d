"""`litmus reproduce --check`: whether what is committed is what the runs gave, and whether it reproduces the papers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from litmus.claims.recipes import recipes
from litmus.claims.results import EXPERIMENTS
from litmus.claims.table import Row, markdown, rows_of, write_into, written_in

PAGE = "README.md"


def committed(folder: Path = EXPERIMENTS) -> list[Row]:
    """All claims with the results there are, as a machine without a GPU sees them: the table is the same anywhere."""
    return rows_of(list(recipes().values()), has_gpu=False, folder=folder)


def write_table(folder: Path = EXPERIMENTS) -> None:
    """Brings the table up to date."""
    write_into(folder / PAGE, markdown(committed(folder)))


def complaints(rows: Sequence[Row], folder: Path = EXPERIMENTS) -> Iterator[str]:
    """What is wrong with the table and the claims; nothing, if all is well."""
    if written_in(folder / PAGE) != markdown(rows):
        yield f"{folder / PAGE} is not what the results give: litmus reproduce --table writes it"
    for row in rows:
        if row.verdict.word == "deviates" and row.recipe.claim.miss is None:
            summary, claim = row.verdict.summary, row.recipe.claim
            found = row.verdict.why or (f"{summary.mean:.4g}" if summary else "nothing")
            yield (
                f"{row.recipe.name} deviates: {claim.metric} is {found} and should be {claim.value:.4g} "
                f"(-{claim.tolerance.below:g}, +{claim.tolerance.above:g}); claim.miss in its recipe says why, if known"
            )
