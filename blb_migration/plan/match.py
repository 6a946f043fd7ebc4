"""Which source table goes into which target table, by name and by decision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import Catalog, Table, TableName
from blb_migration.plan.decision_texts import WHY, write_decision
from blb_migration.plan.decisions import ColumnDecision, Decisions, LocalTimes, TableDecision
from blb_migration.plan.name_index import NameIndex
from blb_migration.plan.target_names import NameStyle, build_cut_name, build_target_name, find_alike

# "schema"."name" as SQL writes it, each part with or without its quotes: a name may hold dots.
_QUOTED = re.compile(
    r'(?=.*")'
    r'(?:(?:"(?P<schema>(?:[^"]|"")+)"|(?P<plain_schema>[^".]+))[.])?'
    r'(?:"(?P<name>(?:[^"]|"")+)"|(?P<plain_name>[^".]+))'
)


@dataclass(frozen=True)
class TableMatch:
    """A source table, its target table, what was decided about it, and how its columns' names are folded.

    ``decision_name`` is how decisions.yaml names it, if it does; ``local_times`` what it says for all tables.
    """

    label: str
    source: Table
    target: Table
    decision: TableDecision
    names: NameStyle = "keep"
    decision_name: str | None = None
    local_times: LocalTimes | None = None


@dataclass(frozen=True)
class Matching:
    """All pairs, the tables skipped with their reasons, and what stayed unclear."""

    pairs: tuple[TableMatch, ...]
    skipped: tuple[tuple[Table, str], ...]
    findings: tuple[Finding, ...]


def build_label(table: TableName, default_schema: str) -> str:
    """Build a table's name for people: without its schema when that is the default one.

    No two tables have the same: of dbo's table a.b the schema is said, since a may have a table b.
    """
    if "." in table.schema:
        return '"{}"."{}"'.format(*(part.replace('"', '""') for part in (table.schema, table.name)))
    is_plain = table.schema.lower() == default_schema.lower() and "." not in table.name
    return table.name if is_plain else str(table)


def index_tables(catalog: Catalog, default_schema: str) -> NameIndex[Table]:
    """Source tables by each name that may be written for them."""
    exact = {str(table.name): table for table in catalog}
    exact |= {build_label(table.name, default_schema): table for table in catalog}
    for table in catalog:
        if table.name.schema.lower() == default_schema.lower():
            exact.setdefault(table.name.name, table)
    return NameIndex(exact)


def find_decision_names(source: Catalog, decisions: Decisions) -> dict[TableName, str]:
    """Return the name under which decisions.yaml decides on each source table that it decides on."""
    tables = index_tables(source, decisions.default_schema)
    found = ((tables.find(name), name) for name in decisions.tables)
    return {table.name: name for table, name in found if table is not None}


def find_table_decision(
    table: TableName, names: Mapping[TableName, str], decisions: Decisions
) -> TableDecision:
    """Return what was decided about a source table, by ``find_decision_names``; else nothing."""
    return decisions.tables[names[table]] if table in names else TableDecision.model_construct()


def find_column_decisions(table: Table, decision: TableDecision) -> dict[str, ColumnDecision]:
    """Return what was decided about a source table's columns, by their names."""
    columns = index_columns(table)
    found = ((columns.find(name), own) for name, own in decision.columns.items())
    return {name: own for name, own in found if name is not None}


def index_columns(table: Table) -> NameIndex[str]:
    """Return the names of a source table's columns by what may be written for them."""
    return NameIndex({column.name: column.name for column in table.columns})


def choose_target_table(table: TableName, decision: TableDecision, decisions: Decisions) -> TableName:
    """Return the target table's name: the decision's ``to``, else the source's in its mapped schema, as the
    decided style of names spells it."""
    schemas = {schema.lower(): to for schema, to in decisions.schemas.items()}
    schema = schemas.get(table.schema.lower()) or build_target_name(table.schema, decisions.names)
    if decision.to is None:
        return TableName(schema, build_target_name(table.name, decisions.names))
    quoted = _QUOTED.fullmatch(decision.to)
    if quoted is not None:
        to_schema, to_name = (part and part.replace('""', '"') for part in (quoted["schema"], quoted["name"]))
        return TableName(to_schema or quoted["plain_schema"] or schema, to_name or quoted["plain_name"])
    to_schema, dot, to_name = decision.to.partition(".")
    return TableName(to_schema, to_name) if dot else TableName(schema, decision.to)


def match_tables(source: Catalog, target: Catalog, decisions: Decisions) -> Matching:
    """Pair the tables: the decision's ``to``, else the same name in the mapped schema, any letter case."""
    pairs: list[TableMatch] = []
    skipped: list[tuple[Table, str]] = []
    findings: list[Finding] = []
    folded: dict[tuple[str, str], list[Table]] = {}
    for table in target:
        folded.setdefault(_fold(table.name), []).append(table)
    taken: dict[TableName, str] = {}
    names = find_decision_names(source, decisions)
    for table in source:
        label = build_label(table.name, decisions.default_schema)
        decision = find_table_decision(table.name, names, decisions)
        if decision.skip is not None:
            skipped.append((table, decision.skip))
            continue
        wanted = choose_target_table(table.name, decision, decisions)
        exact = target.tables_by_name.get(wanted)
        candidates = [exact] if exact is not None else folded.get(_fold(wanted), [])
        if not candidates and decision.to is None:
            cut = TableName(wanted.schema, build_cut_name(table.name.name, decisions.names))
            candidates = folded.get(_fold(cut), [])
        if len(candidates) != 1:
            elsewhere = [other.name for other in target if find_alike(wanted.name, [other.name.name])]
            others = [other for other in target.other_relations if _fold(other[0]) == _fold(wanted)]
            findings.append(_describe_missing(table, label, wanted, candidates, elsewhere, others))
            continue
        match = candidates[0]
        if match.name in taken:
            findings.append(
                Finding(
                    Code.TARGET_TABLE_FED_TWICE,
                    Severity.ERROR,
                    label,
                    f"{taken[match.name]} already goes into {match.name}",
                    write_decision(label, {"to": "another table", "reason": WHY}),
                )
            )
            continue
        taken[match.name] = label
        pairs.append(
            TableMatch(
                label,
                table,
                match,
                decision,
                decisions.names,
                names.get(table.name),
                decisions.local_times,
            )
        )
    decided_targets = {str(table.name).lower() for table, _ in skipped}
    for table in target:
        if table.name not in taken:
            skipped_here = any(name.endswith(f".{table.name.name.lower()}") for name in decided_targets)
            findings.append(
                Finding(
                    Code.TARGET_TABLE_WITHOUT_SOURCE,
                    Severity.NOTE,
                    str(table.name),
                    "not loaded: skipped by decision"
                    if skipped_here
                    else "not loaded: only the target has it",
                )
            )
    return Matching(tuple(pairs), tuple(skipped), tuple(findings))


def _fold(table: TableName) -> tuple[str, str]:
    return table.schema.lower(), table.name.lower()


def describe_estimate(table: Table) -> str:
    """Return the end of a sentence about a table; its rows are not counted but estimated, and said to be."""
    return "" if table.row_estimate is None else f" (rows by its statistics: {table.row_estimate:,})"


def _describe_missing(  # noqa: PLR0917  # what is known of one table
    table: Table,
    label: str,
    wanted: TableName,
    candidates: list[Table],
    elsewhere: list[TableName],
    others: list[tuple[TableName, str]],
) -> Finding:
    create, other = "create it at the target", "other"
    if candidates:
        names = ", ".join(str(candidate.name) for candidate in candidates)
        message = f"several target tables differ from {wanted} only by letter case: {names}"
    elif others:
        name, kind = others[0]
        message = f"{name} at the target is a {kind}, and rows are loaded into tables only"
        create = f"put a table in the place of the {kind}"
    else:
        message = f"there is no table {wanted} at the target"
        if elsewhere:
            message += f", but {', '.join(map(str, elsewhere))}"
        if len(elsewhere) == 1:
            other = _write_name(elsewhere[0])
    return Finding(
        Code.SOURCE_TABLE_WITHOUT_TARGET,
        Severity.ERROR,
        label,
        message + describe_estimate(table),
        f"{create}, or decide: {write_decision(label, {'skip': WHY})}, or 'to: {other}'",
    )


def _write_name(table: TableName) -> str:
    """Write a target table as ``to`` takes it: quoted where a part has a dot or quotes."""
    if any(sign in part for part in (table.schema, table.name) for sign in '."'):
        return ".".join('"{}"'.format(part.replace('"', '""')) for part in (table.schema, table.name))
    return str(table)
