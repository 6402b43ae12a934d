"""Which record is for what: a share by a hash, of each class, or by time; a published split where there is one."""

from litmus.prepare.config import AGAINST, Prepare, in_sql
from litmus.prepare.engine import double, quoted


def accepted(recipe: Prepare, left: str, columns: list[str]) -> str:
    """A query of (id, place, size, split, and the columns) of the records in `left` that are part of the result."""
    split = recipe.split
    published = {source.split for source in recipe.sources.values()}
    cut = {part: getattr(split, part) for part in ("test", "validation") if part not in published}
    if split.by == "time":
        moment = in_sql((split.columns or [""])[0])
        rules = [
            f"WHEN {moment} >= CAST({quoted(str(start))} AS TIMESTAMP) THEN '{part}'"
            for part, start in cut.items()
            if start
        ]
    else:
        rules, share = [], 0.0
        for part, size in cut.items():
            share += float(size)
            rules.append(f"WHEN fraction < {double(share)} THEN '{part}'")
    fraction = "k.bucket"
    if split.by == "class":
        fraction = (
            "(CAST(row_number() OVER (PARTITION BY k.held, k.label ORDER BY k.bucket, k.id) AS DOUBLE) - "
            f"{double(0.5)}) / CAST(count(*) OVER (PARTITION BY k.held, k.label) AS DOUBLE)"
        )
    chosen = f"CASE {' '.join(rules)} ELSE 'train' END" if rules else "'train'"
    kept = ", ".join(["id", "place", "size", *map(in_sql, columns)])
    return (
        f"SELECT {kept}, CASE WHEN held = 1 THEN given ELSE {chosen} END AS split FROM (SELECT k.*, CAST({fraction} "
        f"AS DOUBLE) AS fraction FROM {left} k WHERE given IS NULL OR given <> '{AGAINST}') k"
    )
