"""Whether everything that decisions.yaml names exists: tables, columns, schemas, groups.

A name that the source does not have is a fault, for what is decided about it would silently not happen.
One that it had when catalog.json was written is a warning: tables and columns may be dropped between two
runs, and a nightly rehearsal must not end over it. A source without any table is judged by preflight alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from blb_migration.findings import Code, Finding, Severity
from blb_migration.model import Catalog, Table
from blb_migration.near_names import ask_whether, suggest
from blb_migration.plan.decisions import Decisions
from blb_migration.plan.decisions_file import DecisionFault, Location
from blb_migration.plan.match import build_label, index_columns, index_tables

_EXISTS = "a name that the source has, and that the log-in sees"


@dataclass
class NameCheck:
    """What naming nothing leads to: faults, or warnings for what is gone since catalog.json was written."""

    faults: list[DecisionFault] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(
        self, location: Location, found: str, *, was_known: bool = False, expected: str = _EXISTS
    ) -> None:
        """Note one name; ``was_known``: catalog.json still has it."""
        if not was_known:
            where = ".".join(str(part) for part in location)
            self.faults.append(DecisionFault(location, f"{where}: {found}", expected))
            return
        self.findings.append(
            Finding(
                Code.DECISION_WITHOUT_OBJECT,
                Severity.WARNING,
                ".".join(str(part) for part in location[1:] if part != "columns"),
                f"decisions.yaml decides on it: {found} any more (catalog.json still has it)",
                "remove the decision",
            )
        )


def check_names(source: Catalog, decisions: Decisions, known: Catalog | None) -> NameCheck:
    """Look every name up in ``source``, and in ``known``, the source of catalog.json, where it is another."""
    check = NameCheck()
    if not source.tables:
        return check
    tables = index_tables(source, decisions.default_schema)
    before = index_tables(known or Catalog("sqlserver", "", ""), decisions.default_schema)
    decided: dict[str, str] = {}
    for name, decision in decisions.tables.items():
        table = tables.find(name)
        if table is None:
            found = f"the source has no such table{_suggest_table(name, source, decisions)}"
            check.add(("tables", name), found, was_known=before.find(name) is not None)
            continue
        if str(table.name) in decided:
            found = f"the table is decided on twice, as {decided[str(table.name)]} too"
            check.add(("tables", name), found, expected="each table once")
        decided[str(table.name)] = name
        _check_columns(check, ("tables", name, "columns"), table, before.find(name), [*decision.columns])
    _check_schemas(check, source, decisions, known)
    for group, members in decisions.groups.items():
        for number, name in enumerate(members):
            if tables.find(name) is None:
                found = f"{name}: the source has no such table{_suggest_table(name, source, decisions)}"
                check.add(("groups", group, number), found, was_known=before.find(name) is not None)
    groups = {*decisions.groups, *(table.name.schema for table in source)}
    for group in decisions.owners:
        if group not in groups:
            found = f"there is no group of this name{suggest(group, groups)}"
            check.add(("owners", group), found, expected=f"one of the groups {', '.join(sorted(groups))}")
    return check


def _check_columns(
    check: NameCheck, location: Location, table: Table, before: Table | None, names: list[str]
) -> None:
    columns = index_columns(table)
    known = {column.name.lower() for column in before.columns} if before is not None else set()
    decided: dict[str, str] = {}
    for name in names:
        column = columns.find(name)
        if column is None:
            found = f"the source table has no such column{suggest(name, columns.exact)}"
            check.add((*location, name), found, was_known=name.lower() in known)
            continue
        if column in decided:
            found = f"the column is decided on twice, as {decided[column]} too"
            check.add((*location, name), found, expected="each column once")
        decided[column] = name


def _check_schemas(check: NameCheck, source: Catalog, decisions: Decisions, known: Catalog | None) -> None:
    schemas = {table.name.schema for table in source}
    before = {table.name.schema.lower() for table in known} if known is not None else set()
    folded = {schema.lower() for schema in schemas}
    named: list[tuple[Location, str]] = []
    if "default_schema" in decisions.model_fields_set:
        named.append((("default_schema",), decisions.default_schema))
    if "schemas" in decisions.model_fields_set:
        named += [(("schemas", name), name) for name in decisions.schemas]
    for location, name in named:
        if name.lower() not in folded:
            found = f"{name}: the source has no table in such a schema{suggest(name, schemas)}"
            check.add(location, found, was_known=name.lower() in before)


def _suggest_table(name: str, source: Catalog, decisions: Decisions) -> str:
    """Return the nearest name; a table of the same name in another schema comes first."""
    bare = name.rpartition(".")[2].lower()
    elsewhere = [str(table.name) for table in source if table.name.name.lower() == bare]
    if elsewhere:
        return ask_whether(elsewhere[0])
    return suggest(name, [build_label(table.name, decisions.default_schema) for table in source])
