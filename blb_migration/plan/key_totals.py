"""Key totals: metrics a person looks at, written once in decisions.yaml, run in both engines' SQL.

A ``where`` is parsed by sqlglot, its columns are looked up in the plan, and it is written again in
each engine's SQL with every name quoted. Only comparisons of columns with literals get through:
whatever could mean something else on the other side is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blb_migration.findings import Finding, Severity
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.decisions import KeyTotalDecision
from blb_migration.value_decisions import ValueDecision


@dataclass(frozen=True)
class KeyTotal:
    """One metric. ``column`` is None for a count. The two ``where`` are the engines' own SQL.

    ``decisions`` are those about the summed column's values.
    """

    name: str
    source_column: str | None
    target_column: str | None
    source_where: str | None
    target_where: str | None
    decisions: tuple[ValueDecision, ...] = ()


Columns = Mapping[str, ColumnPlan]


class _Unclear(Exception):
    """A ``where`` that this module does not dare to translate; the message says why."""


def build_key_totals(
    label: str, decisions: Sequence[KeyTotalDecision], columns: Columns
) -> tuple[tuple[KeyTotal, ...], list[Finding]]:
    """The table's key totals, and a finding for each that cannot be run on both sides.

    ``columns`` maps a source column's name to its plan.
    """
    totals: list[KeyTotal] = []
    findings: list[Finding] = []
    by_name = {name.lower(): pair for name, pair in columns.items()}
    for decision in decisions:
        try:
            totals.append(_build_total(decision, by_name))
        except _Unclear as reason:
            findings.append(
                Finding(
                    "key_total_unclear",
                    Severity.ERROR,
                    label,
                    f"the key total {decision.sum or decision.count!r} cannot be run on both sides: {reason}",
                    "correct the key total in decisions.yaml",
                )
            )
    return tuple(totals), findings


def _build_total(decision: KeyTotalDecision, columns: Columns) -> KeyTotal:
    source_where, target_where = translate_where(decision.where, columns) if decision.where else (None, None)
    suffix = f" where {decision.where}" if decision.where else ""
    if decision.sum is None:
        return KeyTotal(f"count {decision.count}{suffix}", None, None, source_where, target_where)
    pair = columns.get(decision.sum.lower())
    if pair is None:
        raise _Unclear(f"no loaded column {decision.sum}")
    return KeyTotal(
        f"sum({decision.sum}){suffix}",
        pair.source.name,
        pair.target.name,
        source_where,
        target_where,
        pair.decisions,
    )


def translate_where(text: str, columns: Columns) -> tuple[str, str]:
    """(source SQL, target SQL) of a condition over source column names, in lower case in ``columns``."""
    import sqlglot
    from sqlglot import exp

    try:
        condition = sqlglot.parse_one(text, into=exp.Condition, dialect="tsql")
    except sqlglot.errors.ParseError:
        raise _Unclear(f"{text!r} is not a condition in SQL") from None
    comparisons = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Is, exp.Between)
    logic = (exp.And, exp.Or, exp.Not, exp.Paren)
    values = (exp.Null, exp.Literal, exp.National, exp.Neg, exp.Column, exp.Identifier, exp.Boolean)
    allowed = (*comparisons, *logic, *values)
    for node in condition.walk():
        if not isinstance(node, allowed):
            raise _Unclear(f"{node.sql(dialect='tsql')!r} is more than a comparison of columns with values")

    def spell(dialect: str) -> str:
        tree = condition.copy()
        for column in list(tree.find_all(exp.Column)):
            pair = columns.get(column.name.lower())
            if pair is None or column.table:
                raise _Unclear(f"no loaded column {column.sql(dialect='tsql')}")
            if pair.decisions:
                raise _Unclear(f"the values of {pair.source.name} are changed by a decision")
            if dialect == "postgres" and pair.target.type.name == "boolean":
                _spell_booleans(column)
            name = pair.target.name if dialect == "postgres" else pair.source.name
            column.set("this", exp.to_identifier(name, quoted=True))
        if dialect == "postgres":
            for national in list(tree.find_all(exp.National)):
                national.replace(exp.Literal.string(national.name))
        return str(tree.sql(dialect=dialect))

    return spell("tsql"), spell("postgres")


def _spell_booleans(column: object) -> None:
    """Rewrite ``bit_column = 1`` for a boolean column: its literals become TRUE and FALSE."""
    from sqlglot import exp

    assert isinstance(column, exp.Column)
    parent = column.parent
    if isinstance(parent, exp.EQ | exp.NEQ | exp.In):
        for literal in list(parent.find_all(exp.Literal)):
            if literal.name not in ("0", "1"):
                raise _Unclear(f"{column.name} is a bit, compared with {literal.sql()}")
            literal.replace(exp.Boolean(this=literal.name == "1"))
