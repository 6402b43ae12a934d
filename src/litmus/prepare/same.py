"""Records that say the same, as SQL that DuckDB and Spark both understand: queries of (id, other) to drop."""

from litmus.prepare.config import AGAINST


def leaks(left: str) -> str:
    """Records that stand in an evaluation set."""
    return (
        f"SELECT k.id, e.other FROM {left} k JOIN (SELECT digest, min(id) AS other FROM {left} "
        "WHERE held = 1 GROUP BY digest) e ON k.digest = e.digest WHERE k.held = 0"
    )


def conflicts(left: str, rule: str) -> str:
    """Records that say the same and have several labels: all of them (`drop`), or those with another label than the
    `first`, or than the `majority`, if there is one."""
    own = f"(SELECT * FROM {left} WHERE held = 0) k"
    several = f"SELECT digest, min(id) AS other FROM {own} GROUP BY digest HAVING count(DISTINCT label) > 1"
    found = f"SELECT k.id, s.other FROM {own} JOIN ({several}) s ON k.digest = s.digest"
    if rule == "drop":
        return found
    if rule == "first":
        kept = (
            "SELECT digest, label AS kept, 1 AS ties FROM (SELECT k.digest, k.label, row_number() OVER "
            f"(PARTITION BY k.digest ORDER BY k.id) AS turn FROM {own}) x WHERE turn = 1"
        )
    else:
        counted = f"SELECT digest, label, count(*) AS many FROM {own} GROUP BY digest, label"
        kept = (
            f"SELECT c.digest, min(c.label) AS kept, count(*) AS ties FROM ({counted}) c JOIN (SELECT digest, "
            f"max(many) AS many FROM ({counted}) y GROUP BY digest) m ON c.digest = m.digest AND c.many = m.many "
            "GROUP BY c.digest"
        )
    return f"{found} JOIN ({kept}) w ON k.digest = w.digest WHERE k.label <> w.kept OR w.ties > 1"


def duplicates(left: str, evaluation: bool) -> str:
    """All but the first of those that say the same; in evaluation sets, too, if asked for."""
    which = f"given IS NULL OR given <> '{AGAINST}'" if evaluation else "held = 0"
    own = f"(SELECT * FROM {left} WHERE {which}) k"
    return (
        f"SELECT k.id, f.other FROM {own} JOIN (SELECT digest, min(id) AS other FROM {own} GROUP BY digest HAVING "
        "count(*) > 1) f ON k.digest = f.digest WHERE k.id <> f.other"
    )
