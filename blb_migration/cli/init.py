"""``blb-migrate init DIR``: a project for any database, with nothing decided and every question written down.

Where the target has tables, the project is about those; where it has none, or no target is named,
about the schema that ``blb-migrate schema`` would create.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blb_migration.cli.options import Debug, SourceConn, TargetConn
from blb_migration.errors import ConfigurationError, ExitCode
from blb_migration.findings import Finding, Severity, sort_findings
from blb_migration.model import Catalog, Table

if TYPE_CHECKING:
    from rich.console import Console

    from blb_migration.cli.designing import SourceReading
    from blb_migration.plan.decisions_file import DecisionsFile
    from blb_migration.plan.found_names import FoundNames
    from blb_migration.plan.project import Project
    from blb_migration.schema.design import SchemaDesign

_COMMENT_WIDTH = 110

_OPTIONS = """
# How the target's tables are made where it has none yet (blb-migrate docs schema):
# names: keep               # or lower, or snake (OrderLines becomes order_lines)
# case_insensitive: report  # or citext, or icu: what becomes of columns that ignore letter case
# xml: text                 # or xml, on a server that was built with libxml
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder, made if need be.")],
    source_conn: SourceConn = None,
    target_conn: TargetConn = None,
    debug: Debug = False,
) -> ExitCode:
    """Write decisions.yaml with every open question, catalog.json, and for a target without tables (or none
    named) the schema to create. Refuses a folder that has decisions already.
    """
    from blb_migration.cli.terminal import build_console
    from blb_migration.plan.project import DECISIONS_FILE

    folder = folder.expanduser()
    if (folder / DECISIONS_FILE).exists():
        raise ConfigurationError(
            str(folder),
            found=f"there is a project already: {DECISIONS_FILE}",
            expected="a folder that is new, or has no project",
            next_act="Name another folder, or run 'blb-migrate plan' to refresh the catalogs of this one",
        )
    write_new_project(source_conn, target_conn, folder, build_console())
    return ExitCode.RECONCILED


def write_new_project(
    source_url: str | None, target_url: str | None, folder: Path, console: Console
) -> Project:
    """Read both databases and write a project about them into ``folder``; says what comes next.

    Raises ConfigurationError when the folder cannot be written.
    """
    from blb_migration.cli.designing import read_source, read_target
    from blb_migration.plan.found_names import find_names
    from blb_migration.plan.project import Project
    from blb_migration.schema.design import build_design

    source = read_source(source_url)
    target = read_target(target_url)
    undecided = build_decisions(folder.resolve().name, source.catalog, target.catalog)
    project = Project(folder, undecided, source.catalog, target.catalog)
    design = None
    if not find_names(source.catalog, target.catalog).table_count:
        design = build_design(source.catalog, undecided.decisions, target.features)
        planned = replace(target.catalog, tables=_merge(target.catalog, design.catalog))
        decisions_file = build_decisions(folder.resolve().name, source.catalog, planned, design)
        project = Project(folder, decisions_file, source.catalog, planned)
    files = _write(project, source, design)
    console.print(f"Wrote {', '.join(files)} in {folder.resolve()}", markup=False)
    questions = sum(finding.severity is Severity.ERROR for finding in project.plan.findings)
    console.print(f"{len(project.plan.tables)} tables, {questions} findings need a decision", markup=False)
    for act in _next_acts(folder, is_designed=design is not None):
        console.print(act, markup=False)
    return project


def build_decisions(
    name: str, source: Catalog, target: Catalog, design: SchemaDesign | None = None
) -> DecisionsFile:
    """Decisions for two databases that nobody has decided on yet; ``name`` is what to call the project.

    What is open stands in comments: the plan's errors, and with ``design`` what it could not carry over.
    """
    from blb_migration.plan.build import build_plan
    from blb_migration.plan.decisions_file import parse_decisions
    from blb_migration.plan.found_names import find_names
    from blb_migration.plan.project import DECISIONS_FILE

    project = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "project"
    default_schema = _choose_default_schema(source)
    found = None if design is not None else find_names(source, target)
    head = (
        f"# What a person decided about moving {_as_comment(source.database)} to PostgreSQL.\n"
        "# Every key is explained in docs/decisions.md: blb-migrate docs decisions\n"
        f"project: {project}\n"
        f"title: {_quote(f'{source.database}, SQL Server to PostgreSQL')}\n"
        + (f"default_schema: {_quote(default_schema)}\n" if default_schema is not None else "")
        + f"schemas: {json.dumps(_map_schemas(target, default_schema, found), ensure_ascii=False)}\n"
    )
    if found is not None and found.style != "keep":
        head += f"names: {found.style}  # how the target spells most names of the source\n"
    undecided = parse_decisions(head + "tables: {}\n", DECISIONS_FILE)
    plan = build_plan(source, target, undecided.decisions)
    findings = [finding for finding in plan.findings if finding.severity is Severity.ERROR]
    if design is not None:
        head += _OPTIONS
        findings = [*findings, *(f for f in design.findings if f.severity is not Severity.NOTE)]
    questions = _render_questions(sort_findings(findings))
    if questions:
        head += "\n# Open questions. Errors are to be answered under 'tables' before anything is loaded:\n"
        head += "\n".join(questions) + "\n"
    return parse_decisions(head + "\ntables: {}\n", DECISIONS_FILE)


def _render_questions(findings: Sequence[Finding]) -> list[str]:
    lines: list[str] = []
    for finding in findings:
        text = f"{finding.severity.value}: {_as_comment(str(finding))}"
        wrapped = textwrap.wrap(text, _COMMENT_WIDTH, break_on_hyphens=False, break_long_words=False)
        lines += [f"# {'  ' if number else '- '}{line}" for number, line in enumerate(wrapped)]
    return lines


def _merge(target: Catalog, design: Catalog) -> tuple[Table, ...]:
    return tuple(sorted((*target.tables, *design.tables), key=lambda table: table.name))


def _write(project: Project, source: SourceReading, design: SchemaDesign | None) -> list[str]:
    from blb_migration.plan.project import CATALOG_FILE, DECISIONS_FILE, save_project
    from blb_migration.schema.script import NOT_MIGRATED_FILE, SCHEMA_FILE, render_not_migrated, render_script

    files = {NOT_MIGRATED_FILE: render_not_migrated(source.catalog.database, source.modules, source.notes)}
    if design is not None:
        files[SCHEMA_FILE] = render_script(design, source.modules, source.notes)
    try:
        save_project(project)
        for name, text in files.items():
            (project.folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"project folder {project.folder}",
            found=f"it cannot be written ({error.strerror})",
            next_act="Name another folder",
        ) from None
    return [DECISIONS_FILE, CATALOG_FILE, *sorted(files)]


def _next_acts(folder: Path, *, is_designed: bool) -> list[str]:
    """List what to do next, as commands for the shell at hand that work from any folder."""
    from blb_migration.plan.project import DECISIONS_FILE
    from blb_migration.settings.variables import name_variable, read_url_variable
    from blb_migration.shells import join, name_command

    path = str(folder.resolve())
    tool, dagster = name_command("blb-migrate", "blb_migration"), name_command("dagster", "dagster")
    acts = [f"Read and answer the questions in {DECISIONS_FILE}: {join([*tool, 'docs', 'decisions'])}"]
    missing = [
        name_variable(field) for field in ("source_conn", "target_conn") if not read_url_variable(field)
    ]
    if missing:
        acts.append(f"Set {' and '.join(missing)} to the URLs, which are not repeated here. Then:")
    else:
        acts.append("Then:")
    if is_designed:
        acts += ["create the tables at the target:"]
        acts += [f"  {join([*tool, 'schema', '--project', path, '--apply'])}"]
    acts += ["migrate:", f"  {join([*tool, '--project', path])}"]
    acts += ["the same in Dagster's UI, either of:", f"  {join([*tool, 'ui', '--project', path])}"]
    serve = [*dagster, "dev", "-m", "blb_migration.definitions"]
    acts += [f"  {join(serve, variables={name_variable('project'): path})}"]
    return acts


def _choose_default_schema(source: Catalog) -> str | None:
    """Choose the schema that tables are named without: dbo, else the only one; of several others none."""
    schemas = {table.name.schema for table in source} or {"dbo"}
    return "dbo" if "dbo" in schemas else schemas.pop() if len(schemas) == 1 else None


def _map_schemas(target: Catalog, default_schema: str | None, found: FoundNames | None) -> dict[str, str]:
    """Map the schemas to where their tables are found, and the default one to public where it is nowhere.

    Others keep their names: of several others, none is the one that public stands for.
    """
    found_schemas = dict(found.schemas) if found is not None else {}
    names_there = set() if found is None else {table.name.schema.lower() for table in target}
    is_found = default_schema in found_schemas or (default_schema or "").lower() in names_there
    if default_schema is not None and not is_found:
        found_schemas[default_schema] = "public"
    return dict(sorted(found_schemas.items()))


def _quote(text: str) -> str:
    """Write any text as a YAML scalar: JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=False)


def _as_comment(text: str) -> str:
    """One line of what YAML takes: names may hold control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
