"""The source is never written to: every statement that reaches it is a SELECT, or ends with the session."""

from __future__ import annotations

import pytest

from blb_migration.metrics import Metric
from blb_migration.questions import KeyColumn, Question, ReferenceQuestion, UniquenessQuestion
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sqlserver.catalog import may_read_everything, read_catalog, read_unreadable_tables
from blb_migration.sqlserver.chunk_keys import (
    are_ascending,
    build_key_range,
    read_clustered_column,
    read_histogram,
    read_key_extremes,
    read_row_bounds,
    read_table_size,
)
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.key_probes import answer_key_questions
from blb_migration.sqlserver.marker import read_marker
from blb_migration.sqlserver.origin import read_origin
from blb_migration.sqlserver.other_objects import read_not_migrated
from blb_migration.sqlserver.probes import answer_questions
from blb_migration.sqlserver.read import KeyRange, read_batches
from blb_migration.sqlserver.table_metrics import count_rows, read_totals
from blb_migration_tests.sqlserver.only_reads import find_writes
from blb_migration_tests.sqlserver.workshop import LOTS, MATERIALS


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO dbo.t VALUES (1)", "INSERT dbo.t EXEC sp_who", "UPDATE dbo.t SET a = 1", "DELETE dbo.t",
        "MERGE dbo.t USING u ON t.a = u.a WHEN MATCHED THEN DELETE;", "TRUNCATE TABLE dbo.t",
        "WITH c AS (SELECT 1 AS a) DELETE FROM c", "SELECT a INTO dbo.u FROM dbo.t",
        "SELECT a INTO #u FROM dbo.t", "CREATE TABLE #u (a int)", "SELECT a FROM #u", "SELECT a FROM ##u",
        "UPDATE STATISTICS dbo.t", "SELECT 1; DROP TABLE dbo.t", "SELECT 1 DROP TABLE dbo.t",
        "IF 1 = 1 DROP TABLE dbo.t", "EXEC sp_who", "EXECUTE('DROP TABLE dbo.t')", "sp_who",
        "DBCC FREEPROCCACHE", "USE master", "KILL 51", "SET @a = 1",
        "SET IDENTITY_INSERT dbo.t ON", "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; DROP TABLE dbo.t",
        "SET TRANSACTION ISOLATION LEVEL SNAPSHOT DROP TABLE dbo.t", "SELECT NEXT VALUE FOR dbo.s",
        "SELECT a FROM OPENQUERY(other, 'DELETE t')", "GRANT SELECT ON dbo.t TO reader", "SELECT (",
    ],
)  # fmt: skip
def test_what_is_no_read_is_found(statement: str) -> None:
    assert find_writes([statement]) == [statement]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT '#u; DROP TABLE t' FROM [a;b]", "WITH c AS (SELECT 1 AS a) SELECT a FROM c",
        "SELECT a FROM dbo.t UNION ALL SELECT 2", "SET TRANSACTION ISOLATION LEVEL SNAPSHOT",
        "SET LANGUAGE us_english",
        "SET LANGUAGE N'Deutsch'",
    ],
)  # fmt: skip
def test_what_reads_is_let_through(statement: str) -> None:
    assert find_writes([statement]) == []


def test_all_that_is_sent_is_selects(workshop: SourceSession, workshop_server: SqlServerEmulator) -> None:
    workshop_server.statements.clear()
    read_catalog(workshop)
    read_unreadable_tables(workshop)
    may_read_everything(workshop)
    read_not_migrated(workshop)
    count_rows(workshop, LOTS.name)
    read_totals(workshop, MATERIALS, [Metric("sum", "price"), Metric("sum_length", "name")])
    answer_questions(workshop, MATERIALS, [Question("price", "is_null"), Question("notes", "contains_nul")])
    material, ident = (KeyColumn("material_id"),), (KeyColumn("id"),)
    answer_key_questions(workshop, LOTS, [ReferenceQuestion("fk", material, MATERIALS, ident, True)])
    answer_key_questions(workshop, LOTS, [UniquenessQuestion("uq", material, nulls_distinct=True)])
    columns = [MATERIALS.columns_by_name["id"]]
    list(read_batches(workshop, MATERIALS.name, columns, key_range=KeyRange("id", 1, 9), order_by=["id"]))
    everything = build_key_range(columns[0], None, None)
    read_clustered_column(workshop, MATERIALS.name)
    read_table_size(workshop, MATERIALS.name)
    read_key_extremes(workshop, MATERIALS.name, columns[0])
    read_row_bounds(workshop, MATERIALS.name, columns[0], everything, 2)
    read_histogram(workshop, MATERIALS.name, columns[0])
    are_ascending(workshop, MATERIALS.name, columns[0], ["1", "2"])
    read_origin(workshop)
    read_marker(workshop, [MATERIALS.name])
    read_marker(workshop, [MATERIALS.name, LOTS.name])
    list(read_batches(workshop, MATERIALS.name, MATERIALS.columns))  # asks for the longest values first

    statements = workshop_server.statements.texts
    assert len(statements) > 15
    assert find_writes(statements) == []
