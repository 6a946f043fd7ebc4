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
from blb_migration.plan.match import build_label

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
    tables = _index(source, decisions)
    before = _index(known, decisions) if known is not None else {}
    decided: dict[str, str] = {}
    for name, decision in decisions.tables.items():
        table = _look_up(tables, name)
        if table is None:
            found = f"the source has no such table{_suggest_table(name, source, decisions)}"
            check.add(("tables", name), found, was_known=_look_up(before, name) is not None)
            continue
        if str(table.name) in decided:
            found = f"the table is decided on twice, as {decided[str(table.name)]} too"
            check.add(("tables", name), found, expected="each table once")
        decided[str(table.name)] = name
        _check_columns(check, ("tables", name, "columns"), table, _look_up(before, name), [*decision.columns])
    _check_schemas(check, source, decisions, known)
    for group, members in decisions.groups.items():
        for number, name in enumerate(members):
            if _look_up(tables, name) is None:
                found = f"{name}: the source has no such table{_suggest_table(name, source, decisions)}"
                check.add(("groups", group, number), found, was_known=_look_up(before, name) is not None)
    groups = {*decisions.groups, *(table.name.schema for table in source)}
    for group in decisions.owners:
        if group not in groups:
            found = f"there is no group of this name{suggest(group, groups)}"
            check.add(("owners", group), found, expected=f"one of the groups {', '.join(sorted(groups))}")
    return check


def _check_columns(
    check: NameCheck, location: Location, table: Table, before: Table | None, names: list[str]
) -> None:
    columns = {column.name.lower(): column.name for column in table.columns}
    known = {column.name.lower() for column in before.columns} if before is not None else set()
    decided: dict[str, str] = {}
    for name in names:
        folded = name.lower()
        if folded not in columns:
            found = f"the source table has no such column{suggest(name, columns.values())}"
            check.add((*location, name), found, was_known=folded in known)
        elif folded in decided:
            found = f"the column is decided on twice, as {decided[folded]} too"
            check.add((*location, name), found, expected="each column once")
        decided[folded] = name


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


def _index(catalog: Catalog, decisions: Decisions) -> dict[str, Table]:
    """Tables by each name that may be written for them, as it is and in lower case; exact names win."""
    exact: dict[str, Table] = {}
    for table in catalog:
        exact[str(table.name)] = exact[build_label(table.name, decisions.default_schema)] = table
    return {name.lower(): table for name, table in exact.items()} | exact


def _look_up(tables: dict[str, Table], name: str) -> Table | None:
    return tables.get(name) or tables.get(name.lower())


def _suggest_table(name: str, source: Catalog, decisions: Decisions) -> str:
    """Return the nearest name; a table of the same name in another schema comes first."""
    bare = name.rpartition(".")[2].lower()
    elsewhere = [str(table.name) for table in source if table.name.name.lower() == bare]
    if elsewhere:
        return ask_whether(elsewhere[0])
    return suggest(name, [build_label(table.name, decisions.default_schema) for table in source])
