"""Keys and indexes that the target lacks, has otherwise, or means otherwise: from the catalogs alone.

Whether the rows themselves keep the target's keys is asked of the source, see ``key_questions.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import ForeignKey, Index, Table, TableName
from blb_migration.plan.table_plans import TablePlan


def find_key_differences(table: TablePlan, by_source: Mapping[TableName, TablePlan]) -> Iterator[Finding]:
    """All differences of one pair of tables; ``by_source`` has each planned table by its source's name."""
    target_names = {column.source.name: column.target.name for column in table.columns}
    yield from _compare_foreign_keys(table, target_names, by_source)
    yield from _compare_unique_keys(table, target_names)
    yield from _compare_indexes(table, target_names)


def _compare_foreign_keys(
    pair: TablePlan, target_names: Mapping[str, str], by_source: Mapping[TableName, TablePlan]
) -> Iterator[Finding]:
    missing = []
    for source_key in pair.source.foreign_keys:
        referred = by_source.get(source_key.referred_table)
        if referred is None or not set(source_key.columns) <= set(target_names):
            continue
        parent = referred.target.name
        columns = tuple(target_names[column] for column in source_key.columns)
        wanted = _find_target_pairs(source_key, target_names, referred)
        same = [key for key in pair.target.foreign_keys if set(key.columns) == set(columns)]
        partial = [
            key
            for key in pair.target.foreign_keys
            if set(key.columns) < set(columns) and key.referred_table == parent
        ]
        elsewhere = [key for key in same if key.referred_table != parent]
        if same and len(elsewhere) == len(same):
            yield _points_elsewhere(pair, source_key, elsewhere[0])
        elif same and all(wanted != _pair(key.columns, key.referred_columns) for key in same):
            yield _differing_columns(pair, source_key, same[0])
        elif not same and partial:
            yield _differing_columns(pair, source_key, partial[0])
        elif not same:
            missing.append(f"{source_key.name} ({', '.join(source_key.columns)})")
    if missing:
        yield Finding(
            Code.FOREIGN_KEYS_NOT_AT_TARGET,
            Severity.NOTE,
            pair.label,
            f"foreign keys that only the source has: {', '.join(missing)}",
        )


def _find_target_pairs(
    key: ForeignKey, target_names: Mapping[str, str], referred: TablePlan
) -> set[tuple[str, str]]:
    """Return a source key's pairs of columns as the target calls them."""
    parent_names = {column.source.name: column.target.name for column in referred.columns}
    parent_names |= {column.source.name: column.target.name for column in referred.computed}
    return _pair(
        [target_names[column] for column in key.columns],
        [parent_names.get(column, column) for column in key.referred_columns],
    )


def _pair(columns: Sequence[str], referred_columns: Sequence[str]) -> set[tuple[str, str]]:
    return {
        (column.lower(), referred.lower()) for column, referred in zip(columns, referred_columns, strict=True)
    }


def _points_elsewhere(pair: TablePlan, source_key: ForeignKey, key: ForeignKey) -> Finding:
    return Finding(
        Code.FOREIGN_KEY_POINTS_ELSEWHERE,
        Severity.WARNING,
        f"{pair.label}.{', '.join(key.columns)}",
        f"refers to {source_key.referred_table} at the source and to {key.referred_table} at the "
        "target; whether every value exists there is asked of the rows",
        "see that both mean the same, or correct the target's key",
    )


def _differing_columns(pair: TablePlan, source_key: ForeignKey, key: ForeignKey) -> Finding:
    return Finding(
        Code.FOREIGN_KEY_COLUMNS_DIFFER,
        Severity.WARNING,
        f"{pair.label}, {key.name}",
        f"({', '.join(source_key.columns)}) refers to {source_key.referred_table} "
        f"({', '.join(source_key.referred_columns)}) at the source, ({', '.join(key.columns)}) to "
        f"({', '.join(key.referred_columns)}) at the target",
        "give the target's key all columns, in pairs as at the source",
    )


def _compare_unique_keys(pair: TablePlan, target_names: Mapping[str, str]) -> Iterator[Finding]:
    """Find keys over NULLs: SQL Server's unique keys allow one, PostgreSQL's any number unless told
    otherwise."""
    several_nulls = []
    for name, columns, predicate in _iterate_unique(pair.source):
        nullable = [column for column in columns if pair.source.columns_by_name[column].nullable]
        wanted = {target_names.get(column) for column in columns}
        loose = [key for key in pair.target.unique_keys if key.nulls_distinct]
        found = next((key.name for key in loose if set(key.columns) == wanted), None) or next(
            (
                index.name
                for index in pair.target.indexes
                if index.unique
                and not index.nulls_not_distinct
                and {column.name for column in index.columns} == wanted
            ),
            None,
        )
        still_nullable = any(
            pair.target.columns_by_name[target_names[column]].nullable
            for column in nullable
            if column in target_names
        )
        if predicate is None and found is not None and still_nullable:
            several_nulls.append(f"{found} (at the source {name}, over {', '.join(columns)})")
    if several_nulls:
        yield Finding(
            Code.UNIQUE_KEY_ALLOWS_SEVERAL_NULLS,
            Severity.NOTE,
            pair.label,
            "one row with NULL is allowed at the source, any number at the target by "
            + ", ".join(several_nulls),
            "make it UNIQUE NULLS NOT DISTINCT at the target (PostgreSQL 15 or later) if that matters",
        )


def _iterate_unique(table: Table) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    for key in table.unique_keys:
        yield key.name, key.columns, None
    for index in table.indexes:
        if index.unique:
            yield index.name, tuple(column.name for column in index.columns), index.filter


def _compare_indexes(pair: TablePlan, target_names: Mapping[str, str]) -> Iterator[Finding]:
    rules, others = [], []
    for name, columns, predicate in _iterate_unique(pair.source):
        wanted = {target_names.get(column) for column in columns}
        if not any(wanted == found for found in _unique_column_sets(pair.target, predicate is not None)):
            rules.append(f"{name} ({', '.join(columns)}){f' where {predicate}' if predicate else ''}")
    for index in pair.source.indexes:
        if not index.unique and not _has_like(pair.target, index, target_names):
            included = f" include ({', '.join(index.included)})" if index.included else ""
            condition = f" where {index.filter}" if index.filter else ""
            names = ", ".join(column.name for column in index.columns)
            others.append(f"{index.name} ({names}){included}{condition}")
    if rules:
        yield Finding(
            Code.UNIQUE_KEYS_NOT_AT_TARGET,
            Severity.WARNING,
            pair.label,
            f"no unique key of the target enforces {', '.join(rules)}",
            "create it at the target (partial where it has a condition), or accept that nothing enforces it",
        )
    if others:
        yield Finding(
            Code.INDEXES_NOT_AT_TARGET,
            Severity.NOTE,
            pair.label,
            f"indexes that only the source has, or that the target has otherwise: {', '.join(others)}",
        )


def _unique_column_sets(target: Table, is_filtered: bool) -> Iterator[set[str | None]]:
    """Yield what the target's unique keys are over; a partial one counts only for a filtered one."""
    if target.primary_key is not None:
        yield set(target.primary_key.columns)
    for key in target.unique_keys:
        yield set(key.columns)
    for index in target.indexes:
        if index.unique and (index.filter is None or is_filtered):
            yield {column.name for column in index.columns}


def _has_like(target: Table, source_index: Index, target_names: Mapping[str, str]) -> bool:
    """Whether an index or key of the target begins with the same columns, under a condition or without."""
    wanted = [target_names.get(column.name) for column in source_index.columns]
    lists = [[column.name for column in i.columns] for i in target.indexes if _is_alike(i, source_index)]
    if source_index.filter is None:
        lists += [list(key.columns) for key in target.unique_keys]
        lists += [list(target.primary_key.columns)] if target.primary_key is not None else []
    return any(names[: len(wanted)] == wanted for names in lists)


def _is_alike(index: Index, source_index: Index) -> bool:
    has_condition = (index.filter is None) == (source_index.filter is None)
    return has_condition and len(index.included) >= len(source_index.included)
