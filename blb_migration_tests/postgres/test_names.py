"""Names arrive as they are written, whatever they contain."""

from __future__ import annotations

import pytest
from psycopg import sql

from blb_migration.model import TableName
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_definitions,
    qualified_name,
    qualified_text,
    quote_identifier,
)
from blb_migration_tests.postgres.tables import execute, scalar

AWKWARD_NAMES = ["select", "With Space", 'quo"te', "semi;colon", "{brace}", "per%s cent", "Straße", "[x]"]


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_awkward_names_are_quoted(target: TargetConnection, name: str) -> None:
    table = TableName("public", name)
    target.execute(sql.SQL("CREATE TABLE {} ({} int)").format(qualified_name(table), quote_identifier(name)))
    row = target.execute("SELECT %s::regclass::oid IS NOT NULL", (qualified_text(table),)).fetchone()
    assert row == (True,)


def test_definitions_name_their_schemas_and_the_search_path_comes_back(target: TargetConnection) -> None:
    execute(
        target, "CREATE TABLE parent (id int PRIMARY KEY)", "CREATE TABLE child (id int REFERENCES parent)"
    )
    definition = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
    with target.transaction():
        before = scalar(target, "SHOW search_path")
        with qualified_definitions(target):
            assert "public.parent" in scalar(target, definition)
        assert scalar(target, "SHOW search_path") == before
