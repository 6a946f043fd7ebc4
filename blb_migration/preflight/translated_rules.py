"""The target's CHECKs and generated columns that are the source's own, told by their translation.

What ``schema`` would write for a source's expression is the target's if the server prints both alike. Such
a CHECK holds for every row already, such a column has the source's values. Of any other generated column it
is said that nobody knows before the load whether it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.columns import ColumnPlan, ComputedPair
from blb_migration.plan.table_plans import TablePlan
from blb_migration.plan.type_pairs import Conversion
from blb_migration.postgres.content_form import spell_type
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.own_spelling import spell_expressions
from blb_migration.schema.collations import ignores_case
from blb_migration.schema.translate_expression import translate_computed, translate_condition
from blb_migration.schema.translation import ColumnPair, Scope, Untranslatable

# Under these a value is the same on both sides.
_KEPT = (
    Conversion.BOOLEAN,
    Conversion.INTEGER,
    Conversion.INTEGER_TO_NUMERIC,
    Conversion.NUMERIC,
    Conversion.FLOAT,
    Conversion.TEXT,
    Conversion.DATE,
    Conversion.TIME,
    Conversion.TIMESTAMP,
    Conversion.UUID,
)
_TEXTS = ("character", "character varying", "text", "citext")


@dataclass(frozen=True)
class TranslatedRules:
    """Of one table: the names of CHECKs and generated columns that are the source's, and what is found."""

    checks: frozenset[str] = frozenset()
    generated: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()


def find_translated(connection: TargetConnection, table: TablePlan) -> TranslatedRules:
    """Ask the server how it prints the translations of the source's own expressions. Raises TargetError."""
    pairs = {c.source.name: _as_pair(c) for c in table.columns if c.conversion in _KEPT and not c.decisions}
    scope = Scope(pairs)
    checks = list(_translate_checks(table, scope)) if table.target.checks else []
    computed = [(pair, _translate_pair(pair, scope)) for pair in table.computed]
    wanted = [("boolean", condition) for condition in checks]
    wanted += [(spell_type(pair.target), text) for pair, text in computed if text is not None]
    if not wanted and not computed:
        return TranslatedRules()
    spelled = iter(spell_expressions(connection, table.target.name, wanted))
    own_checks = {next(spelled) for _ in checks}
    generated: set[str] = set()
    findings: list[Finding] = []
    for pair, text in computed:
        translated = None if text is None else next(spelled)
        assert pair.target.computed is not None
        if translated == pair.target.computed.expression:
            generated.add(pair.target.name)
        else:
            findings.append(_describe(table, pair, translated))
    return TranslatedRules(
        frozenset(check.name for check in table.target.checks if check.expression in own_checks),
        frozenset(generated),
        tuple(findings),
    )


def _as_pair(column: ColumnPlan) -> ColumnPair:
    is_text = column.target.type.name in _TEXTS
    return ColumnPair(column.source, column.target, is_text and ignores_case(column.source.collation))


def _translate_checks(table: TablePlan, scope: Scope) -> Iterator[str]:
    for check in table.source.checks:
        if check.trusted and check.enabled:
            with suppress(Untranslatable):
                yield translate_condition(check.expression, scope)


def _translate_pair(pair: ComputedPair, scope: Scope) -> str | None:
    if pair.source.computed is None:
        return None
    with suppress(Untranslatable):
        return translate_computed(pair.source.computed.expression, scope, pair.source.type, pair.target.type)
    return None


def _describe(table: TablePlan, pair: ComputedPair, translated: str | None) -> Finding:
    assert pair.target.computed is not None
    if pair.source.computed is None:
        source = "the source stores its values"
    else:
        source = f"the source as {pair.source.computed.expression}"
    if translated is not None:
        source += f", which would be {translated} here"
    return Finding(
        Code.GENERATED_COLUMN_DIFFERS,
        Severity.WARNING,
        f"{table.label}.{pair.source.name}",
        f"the target computes {pair.target.name} as {pair.target.computed.expression}, {source}: whether the "
        "values are equal is not asked; after the load the column's totals are compared, its cells where the "
        "source is read again ('blb-migrate reconcile --reread')",
        "see that both compute the same, or make it an ordinary column, which is loaded and compared",
    )
