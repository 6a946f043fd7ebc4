"""The first decisions.yaml of a new project: nothing decided, every open question in a comment."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter

from blb_migration.model import Catalog
from blb_migration.plan.build import build_plan
from blb_migration.plan.decisions import DecisionsFile, parse_decisions
from blb_migration.plan.findings import Severity
from blb_migration.plan.project import DECISIONS_FILE

_COMMENT_WIDTH = 110


def build_decisions(name: str, source: Catalog, target: Catalog) -> DecisionsFile:
    """Decisions for two databases that nobody has decided on yet; ``name`` is what to call the project."""
    project = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "project"
    default_schema, schemas = _guess_schemas(source, target)
    head = (
        f"# What a person decided about moving {_as_comment(source.database)} to PostgreSQL.\n"
        "# Every key is explained in docs/decisions.md.\n"
        f"project: {project}\n"
        f"title: {_quote(f'{source.database}, SQL Server to PostgreSQL')}\n"
        f"default_schema: {_quote(default_schema)}\n"
        f"schemas: {json.dumps(schemas, ensure_ascii=False)}\n"
    )
    undecided = parse_decisions(head + "tables: {}\n", DECISIONS_FILE)
    questions = [
        f"# - {line}"
        for finding in build_plan(source, target, undecided.decisions).findings
        if finding.severity is Severity.ERROR
        for line in textwrap.wrap(_as_comment(str(finding)), _COMMENT_WIDTH, subsequent_indent="    ")
    ]
    if questions:
        head += "\n# Open questions, each to be answered under 'tables' before anything is loaded:\n"
        head += "\n".join(line.replace("# -     ", "#     ") for line in questions) + "\n"
    return parse_decisions(head + "\ntables: {}\n", DECISIONS_FILE)


def _guess_schemas(source: Catalog, target: Catalog) -> tuple[str, dict[str, str]]:
    """The source schema with most tables, and target schemas for those that the target has not."""
    counts = Counter(table.name.schema for table in source)
    default_schema = max(sorted(counts), key=lambda schema: counts[schema], default="dbo")
    target_schemas = {table.name.schema.lower() for table in target}
    missing = [schema for schema in sorted(counts) if schema.lower() not in target_schemas]
    return default_schema, {schema: "public" for schema in missing if schema == default_schema}


def _quote(text: str) -> str:
    """A YAML scalar for any text: JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=False)


def _as_comment(text: str) -> str:
    return " ".join(text.split())
