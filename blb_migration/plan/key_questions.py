"""Which keys of the target only the source's rows can prove: uniqueness and references, asked beforehand.

A key that the source itself enforces over the same columns, in a way at least as strict, is not asked
about. Everything else is: keys only the target has, keys that point elsewhere there, keys the source does
not trust, keys over texts (which the source compares by its collation), and keys over columns whose values
a decision changes. The SQL is in ``sqlserver/key_probes.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import ForeignKey, Table, TableName
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.rule_translation import translate_rule
from blb_migration.plan.table_plans import TablePlan
from blb_migration.plan.text_equality import find_equality, find_reference_equality
from blb_migration.plan.type_pairs import Conversion
from blb_migration.questions import (
    Becoming,
    KeyColumn,
    KeyQuestion,
    ReferenceQuestion,
    TextEquality,
    UniquenessQuestion,
)
from blb_migration.types import SIZED_TEXTS
from blb_migration.value_decisions import ValueDecision

_DRY_RUN = "blb-migrate --dry-run tries it on copies of the tables"
_TO_TEXT = (Conversion.INTEGER_TO_TEXT, Conversion.UUID_TO_TEXT)
_FROM_TEXT = (Conversion.TEXT_TO_INTEGER, Conversion.TEXT_TO_DATE)


def find_key_questions(
    table: TablePlan, tables: Mapping[TableName, TablePlan]
) -> tuple[tuple[KeyQuestion, ...], list[Finding]]:
    """Find the questions about one table's keys, and keys that nobody can be asked about.

    ``tables`` has all planned tables by the name of their target table.
    """
    questions: list[KeyQuestion] = []
    findings: list[Finding] = []
    for outcome in (*_iterate_uniqueness(table), *_iterate_references(table, tables)):
        if isinstance(outcome, Finding):
            findings.append(outcome)
        else:
            questions.append(outcome)
    return tuple(questions), findings


def _iterate_uniqueness(table: TablePlan) -> Iterator[UniquenessQuestion | Finding]:
    by_target = {column.target.name: column for column in table.columns}
    for name, columns, nulls_distinct, condition in _iterate_unique_keys(table.target):
        plans = [by_target.get(column) for column in columns]
        members = [plan for plan in plans if plan is not None]
        only = None if condition is None else translate_rule(condition, by_target)
        if len(members) < len(plans) or (condition is not None and only is None):
            is_concerned = any(column in by_target for column in columns) or condition is not None
            if is_concerned or _have_one_default(table.target, columns):
                yield Finding(
                    Code.UNIQUE_KEY_NOT_ASKED,
                    Severity.NOTE,
                    f"{table.label}, {name}",
                    f"unique over {', '.join(columns)}{f' where {condition}' if condition else ''} at the "
                    "target: more than the source can be asked; rows that break it fail the table's load",
                )
            continue
        key_columns = tuple(_as_key_column(member) for member in members)
        if any(column.equality.letters == "unknown" for column in key_columns):
            yield Finding(
                Code.UNIQUE_KEY_NOT_ASKED,
                Severity.NOTE,
                f"{table.label}, {name}",
                f"unique over {', '.join(columns)} under a collation of the target's own "
                f"({_name_locales(members)}): rows that are equal there fail the table's load",
                _DRY_RUN,
            )
        elif not _is_unique_at_source(table.source, members):
            yield UniquenessQuestion(name, key_columns, nulls_distinct, only)


def _iterate_unique_keys(target: Table) -> Iterator[tuple[str, tuple[str, ...], bool, str | None]]:
    if target.primary_key is not None:
        yield target.primary_key.name, target.primary_key.columns, False, None
    for key in target.unique_keys:
        yield key.name, key.columns, key.nulls_distinct, None
    for index in target.indexes:
        if index.unique:
            columns = tuple(column.name for column in index.columns)
            yield index.name, columns, not index.nulls_not_distinct, index.filter


def _have_one_default(target: Table, columns: tuple[str, ...]) -> bool:
    """Whether all of them get a default, which may be the same for every row."""
    own = [target.columns_by_name.get(name) for name in columns]
    return all(each is not None and each.default is not None and each.identity is None for each in own)


def _is_unique_at_source(source: Table, members: list[ColumnPlan]) -> bool:
    names = {
        member.source.name
        for member in members
        if not _changing_decisions(member) and _stays_different(member)
    }
    keys = [key.columns for key in source.unique_keys]
    keys += [source.primary_key.columns] if source.primary_key is not None else []
    keys += [
        tuple(column.name for column in index.columns)
        for index in source.indexes
        if index.unique and index.filter is None
    ]
    return any(set(key) <= names for key in keys)


def _changing_decisions(column: ColumnPlan) -> tuple[ValueDecision, ...]:
    """Return what makes two different values equal: decisions, and the declared cut of the seventh digit."""
    cuts = tuple(
        ValueDecision("fraction_finer_than", "truncate", "declared rule", limit=int(question.arguments[0]))
        for question in column.questions
        if question.kind == "fraction_finer_than"
    )
    decided = tuple(d for d in column.decisions if d.covers != "fraction_finer_than")
    return decided + cuts


def _as_key_column(column: ColumnPlan) -> KeyColumn:
    becomes: Becoming = "itself"
    if column.conversion is Conversion.TEXT_TO_UUID:
        becomes = "guid"
    elif any(decision.covers == "inexact_as_float" for decision in column.decisions):
        becomes = "real" if column.target.type.name == "real" else "float"
    return KeyColumn(column.source.name, _changing_decisions(column), becomes, find_equality(column.target))


def _name_locales(columns: list[ColumnPlan]) -> str:
    locales = (column.target.insensitive_locale for column in columns)
    return ", ".join(sorted({locale for locale in locales if locale is not None}))


def _stays_different(column: ColumnPlan) -> bool:
    """Whether values that differ at the source differ at the target, too, whatever was decided."""
    if column.conversion is Conversion.TEXT_TO_UUID:
        return "_CI_" in (column.source.collation or "").upper()
    if find_equality(column.target).letters != "exact":
        return False  # the source's collation may tell them apart
    return column.source.type.name != "sql_variant"


def _iterate_references(
    table: TablePlan, tables: Mapping[TableName, TablePlan]
) -> Iterator[ReferenceQuestion | Finding]:
    by_target = {column.target.name: column for column in table.columns}
    asked: set[tuple[tuple[str, ...], TableName]] = set()
    for key in table.target.foreign_keys:
        members = [by_target[name] for name in key.columns if name in by_target]
        if len(members) < len(key.columns):
            continue  # a column that is not loaded keeps its default, which is the target's own business
        parent = tables.get(key.referred_table)
        parents = _find_columns(parent, key.referred_columns)
        if parent is None or parents is None:
            yield Finding(
                Code.PARENT_IS_NOT_LOADED,
                Severity.WARNING,
                f"{table.label}, {key.name}",
                f"refers to {key.referred_table} ({', '.join(key.referred_columns)}), which is not loaded: "
                "whether the target holds the rows is validated only when the key is restored",
                "see that the rows are there before the load",
            )
            continue
        asked.add((tuple(member.source.name for member in members), parent.source.name))
        if any(find_equality(p.target).letters == "unknown" for p in parents):
            yield Finding(
                Code.FOREIGN_KEY_NOT_ASKED,
                Severity.NOTE,
                f"{table.label}, {key.name}",
                f"refers to {key.referred_table} under a collation of the target's own "
                f"({_name_locales(parents)}): whether every row has its parent there is validated only when "
                "the key is restored",
                _DRY_RUN,
            )
            continue
        partly = key.matches_full and len(members) > 1 and any(m.source.nullable for m in members)
        if partly or not _is_trusted_at_source(table.source, members, parent.source, parents):
            yield _ask_reference(key, members, parent.source, parents)
    for source_key in table.source.foreign_keys:
        if (source_key.columns, source_key.referred_table) not in asked and not source_key.trusted:
            yield from _ask_untrusted(source_key, tables)


def _find_columns(parent: TablePlan | None, names: tuple[str, ...]) -> list[ColumnPlan] | None:
    if parent is None:
        return None
    by_target = {column.target.name: column for column in parent.columns}
    found = [by_target[name] for name in names if name in by_target]
    return found if len(found) == len(names) else None


def _is_trusted_at_source(
    source: Table, members: list[ColumnPlan], parent: Table, parents: list[ColumnPlan]
) -> bool:
    if any(m.source.type.name in SIZED_TEXTS or _changing_decisions(m) for m in (*members, *parents)):
        return False
    wanted = {(m.source.name, p.source.name) for m, p in zip(members, parents, strict=True)}
    return any(
        key.trusted
        and key.referred_table == parent.name
        and set(zip(key.columns, key.referred_columns, strict=True)) == wanted
        for key in source.foreign_keys
    )


def _as_referring(column: ColumnPlan, parent: ColumnPlan) -> tuple[KeyColumn, KeyColumn]:
    """Return both ends of a reference, as texts where only one of them is a text at the source."""
    equalities = find_reference_equality(column.target, parent.target)
    own, referred = (
        replace(_as_key_column(each), equality=equality)
        for each, equality in zip((column, parent), equalities, strict=True)
    )
    if (column.conversion in _TO_TEXT) != (parent.conversion in _TO_TEXT):
        own = replace(own, becomes="text") if column.conversion in _TO_TEXT else own
        referred = replace(referred, becomes="text") if parent.conversion in _TO_TEXT else referred
    if (column.conversion in _FROM_TEXT) != (parent.conversion in _FROM_TEXT):
        # Such texts are spelled as the source spells the other end's values, padding aside.
        spelled = TextEquality(pads=True)
        own, referred = (replace(end, becomes="text", equality=spelled) for end in (own, referred))
    return own, referred


def _ask_reference(
    key: ForeignKey, members: list[ColumnPlan], parent: Table, parents: list[ColumnPlan]
) -> ReferenceQuestion:
    pairs = [_as_referring(m, p) for m, p in zip(members, parents, strict=True)]
    return ReferenceQuestion(
        key.name,
        tuple(own for own, _ in pairs),
        parent,
        tuple(referred for _, referred in pairs),
        is_enforced=key.trusted,
        left_as=None if key.trusted else "NOT VALID" if key.enabled else "NOT ENFORCED",
        matches_full=key.matches_full,
    )


def _ask_untrusted(key: ForeignKey, tables: Mapping[TableName, TablePlan]) -> Iterator[ReferenceQuestion]:
    """Ask about a key of the source alone, WITH NOCHECK: its orphans are carried, and counted."""
    parent = next((t.source for t in tables.values() if t.source.name == key.referred_table), None)
    if parent is not None:
        yield ReferenceQuestion(
            key.name,
            tuple(KeyColumn(name) for name in key.columns),
            parent,
            tuple(KeyColumn(name) for name in key.referred_columns),
            is_enforced=False,
        )
