"""The steps that compare records with each other, as SQL that DuckDB and Spark both understand.

Each step says which records it drops, and because of which other one; what it drops is not there for the next.
"""

from pathlib import Path
from typing import Any

from litmus.prepare.cluster import clusters, near_duplicates, near_leaks
from litmus.prepare.config import AGAINST, Prepare, in_sql
from litmus.prepare.engine import Engine, double
from litmus.prepare.same import conflicts, duplicates, leaks
from litmus.prepare.splits import accepted

MAD = 1.4826  # of a normal distribution, standard deviations in a median absolute deviation


class Comparison:
    """Goes through the steps; `left` is the table of what is still there."""

    def __init__(self, engine: Engine, recipe: Prepare, folder: Path) -> None:
        self.engine, self.recipe, self.folder = engine, recipe, folder
        self.left = "keys"
        self.dropped: list[tuple[str, str]] = []  # table and reason
        self.found: dict[str, Any] = {}  # facts, for people
        self.joined = [name for name, column in recipe.columns.items() if column.table is not None]

    def run(self) -> None:
        """All steps; afterwards there are the tables `accepted` (id, split, place, size, and what was joined) and
        `dropped` (id, reason, other)."""
        self._keys()
        self._unmatched()
        self._outliers()
        self._count()
        same, near = self.recipe.duplicates, self.recipe.near_duplicates
        if same is not None:
            self._drop("leak", leaks(self.left))
            if self._has_classes():
                self._drop("conflict", conflicts(self.left, same.labels))
            self._drop("duplicate", duplicates(self.left, same.evaluation))
        if near.threshold is not None:
            clusters(self.engine, self.recipe, self.left, self.folder)
            self._drop("leak", near_leaks(self.left))
            self._drop("near_duplicate", near_duplicates(self.left))
        self.engine.create("accepted", accepted(self.recipe, self.left, self.joined))
        nothing = "SELECT CAST(0 AS BIGINT) AS id, 'x' AS reason, CAST(0 AS BIGINT) AS other FROM keys WHERE 1 = 0"
        parts = [f"SELECT id, '{reason}' AS reason, other FROM {table}" for table, reason in self.dropped]
        self.engine.create("dropped", " UNION ALL ".join([nothing, *parts]))

    def _keys(self) -> None:
        """A narrow row a record: all that the steps go by."""
        recipe = self.recipe
        self.engine.view(
            "numbered_keys",
            "SELECT id, _split AS given, _key AS digest, _order AS place, _bucket AS bucket, _bytes AS size, "
            f"{self._columns()} FROM records",
        )
        source = "numbered_keys k"
        for table in {column.table: None for column in recipe.columns.values() if column.table is not None}:
            source += self._look_up(str(table))
        values = [self._joined(name) for name in self.joined]
        label = self._target()
        self.engine.create(
            "keys",
            f"SELECT k.*{''.join(', ' + value for value in values)}, {label} AS label, "
            f"CASE WHEN k.given IN ('validation', 'test', '{AGAINST}') THEN 1 ELSE 0 END AS held FROM {source}",
        )

    def _columns(self) -> str:
        """The columns of records that a step goes by, besides those that every record has."""
        recipe = self.recipe
        wanted = {recipe.target, *(recipe.split.columns or ())}
        wanted |= {name for name, column in recipe.columns.items() if column.outliers is not None}
        wanted |= {column.key for column in recipe.columns.values() if column.table is not None}
        names = [name for name in recipe.columns if name in wanted and recipe.columns[name].table is None]
        return ", ".join([in_sql(name) for name in names] or ["1 AS nothing"])

    def _target(self) -> str:
        target = self.recipe.target
        if target is None:
            return "CAST(NULL AS INT)"
        return f"k.{in_sql(target)}" if self.recipe.columns[target].table is None else self._joined(target)

    def _joined(self, name: str) -> str:
        """A column of a table that was looked up."""
        column = self.recipe.columns[name]
        return f"t_{column.table}_{column.key}.{in_sql(name)}"

    def _look_up(self, table: str) -> str:
        """A join with the first row of a table for each key."""
        text = ""
        columns = {name: column for name, column in self.recipe.columns.items() if column.table == table}
        for key in dict.fromkeys(str(column.key) for column in columns.values()):
            names = [in_sql(name) for name, column in columns.items() if column.key == key]
            by, unique = in_sql(key), f"unique_{table}_{key}"
            self.engine.create(
                unique,
                f"SELECT {', '.join([by, *names])} FROM (SELECT t.*, row_number() OVER (PARTITION BY {by} ORDER BY id) "
                f"AS turn FROM table_{table} t) x WHERE turn = 1 AND {by} IS NOT NULL",
            )
            repeated = self.engine.rows(f"SELECT count({by}) - count(DISTINCT {by}) FROM table_{table}")
            self.found.setdefault("tables", {})[table] = {"repeated_keys": int(repeated[0][0])}
            text += f" LEFT JOIN {unique} t_{table}_{key} ON k.{by} = t_{table}_{key}.{by}"
        return text

    def _drop(self, reason: str, query: str) -> None:
        """Takes away what a query (id, other) gives."""
        number = len(self.dropped)
        self.engine.create(f"drop_{number}", query)
        self.engine.create(
            f"left_{number}",
            f"SELECT k.* FROM {self.left} k LEFT JOIN drop_{number} d ON k.id = d.id WHERE d.id IS NULL",
        )
        self.dropped.append((f"drop_{number}", reason))
        self.left = f"left_{number}"

    def _unmatched(self) -> None:
        lacking = [f"{in_sql(name)} IS NULL" for name in self.joined if self.recipe.columns[name].required]
        if lacking:
            nobody = f"SELECT id, CAST(NULL AS BIGINT) AS other FROM {self.left}"
            self._drop("unmatched", f"{nobody} WHERE {' OR '.join(lacking)}")

    def _outliers(self) -> None:
        """Numbers far from the median, of records that are not for evaluation."""
        for name, column in self.recipe.columns.items():
            if column.outliers is None:
                continue
            value = in_sql(name)
            own = f"FROM {self.left} WHERE held = 0 AND {value} IS NOT NULL"
            middle = self._median(value, own)
            if middle is None:
                continue
            spread = self._median(f"abs({value} - {double(middle)})", own)
            limit = column.outliers * MAD * (spread or 0)
            if limit > 0:
                self._drop(
                    "outlier",
                    f"SELECT id, CAST(NULL AS BIGINT) AS other {own} AND abs({value} - {double(middle)}) > "
                    f"{double(limit)}",
                )
            self.found.setdefault("outliers", {})[name] = {"median": middle, "within": limit}

    def _median(self, value: str, own: str) -> float | None:
        """The mean of the lower and the upper median, which every engine has to the last bit."""
        middle = f"percentile_disc(0.5) WITHIN GROUP (ORDER BY {value}"
        low, high = self.engine.rows(f"SELECT {middle}), {middle} DESC) {own}")[0]
        return None if low is None else (float(low) + float(high)) / 2

    def _count(self) -> None:
        """How often records repeat, before anything is done about it."""
        repeats = self.engine.rows(
            "SELECT split, sum(many - 1) FROM (SELECT coalesce(given, 'records') AS split, digest, count(*) AS many "
            f"FROM {self.left} GROUP BY coalesce(given, 'records'), digest) x GROUP BY split ORDER BY split"
        )
        self.found["repeats"] = {split: int(count) for split, count in repeats if split != AGAINST}
        held = self.engine.rows(
            f"SELECT count(*) FROM {self.left} k JOIN (SELECT DISTINCT digest FROM {self.left} WHERE held = 0) o "
            "ON k.digest = o.digest WHERE k.held = 1"
        )
        self.found["evaluation_records_in_train"] = int(held[0][0])
        if self._has_classes():
            several = self.engine.rows(
                f"SELECT count(*) FROM (SELECT digest FROM {self.left} GROUP BY digest HAVING count(DISTINCT label) > "
                "1) x"
            )
            self.found["texts_with_several_labels"] = int(several[0][0])

    def _has_classes(self) -> bool:
        target = self.recipe.target
        return target is not None and self.recipe.columns[target].type in ("label", "category")
