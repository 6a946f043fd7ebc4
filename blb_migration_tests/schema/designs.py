"""Designed schemas on a real PostgreSQL: created, read back, and compared with what was designed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from blb_migration.model import Catalog, Column, Table
from blb_migration.plan.decisions import Decisions
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.postgres.catalog import read_catalog
from blb_migration.postgres.create import create_tables
from blb_migration.postgres.server_features import read_server_features
from blb_migration.schema.ddl import build_statements
from blb_migration.schema.design import SchemaDesign, build_design
from blb_migration_tests.catalogs import COLLATION
from blb_migration_tests.chain import Chain


def decisions(text: str = "") -> Decisions:
    return parse_decisions(f"project: test\n{text}", "decisions.yaml").decisions


def source_catalog(tables: Iterable[Table]) -> Catalog:
    ordered = tuple(sorted(tables, key=lambda table: table.name))
    return Catalog("sqlserver", "source", "16.0", COLLATION, ordered)


def create(chain: Chain, tables: Iterable[Table], text: str = "") -> SchemaDesign:
    """Design the tables for the chain's target and create them there."""
    with chain.target.connect() as connection:
        features = read_server_features(connection)
        design = build_design(source_catalog(tables), decisions(text), features)
        create_tables(connection, [table.name for table in design.catalog], build_statements(design))
    return design


def read_back(chain: Chain) -> Catalog:
    with chain.target.connect() as connection:
        return read_catalog(connection)


def without_spelling(catalog: Catalog) -> tuple[Table, ...]:
    """Return the tables without what the server words in its own way: expressions, and estimates."""
    return tuple(
        replace(
            table,
            columns=tuple(_without_expressions(column) for column in table.columns),
            indexes=tuple(replace(index, filter=index.filter and "...") for index in table.indexes),
            checks=tuple(replace(check, expression="...") for check in table.checks),
            row_estimate=None,
        )
        for table in catalog
    )


def _without_expressions(column: Column) -> Column:
    draws_from_sequence = column.identity is not None
    default = None if draws_from_sequence else column.default and "..."
    computed = column.computed and replace(column.computed, expression="...")
    return replace(column, default=default, computed=computed)


def codes(design: SchemaDesign) -> list[str]:
    """Return what was found, without the letter case of texts, which every sample table has."""
    return [finding.code for finding in design.findings if not finding.code.startswith("case_insensitive_")]
