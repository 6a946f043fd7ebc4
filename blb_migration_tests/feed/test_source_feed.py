"""What a load costs before its first row: nothing that it does not need is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pyarrow as pa

from blb_migration.model import Column, ColumnType, Table, TableName, UniqueKey
from blb_migration_tests.chain import Chain

# A bounded text, cut seconds and a numeric each take another way through the encoder and its guards.
_SPOOLS = Table(
    TableName("dbo", "spools"),
    (
        Column("id", ColumnType("int"), nullable=False),
        Column("name", ColumnType("nvarchar", length=20), nullable=True),
        Column("weighed_at", ColumnType("datetime2", scale=3), nullable=True),
        Column("kilograms", ColumnType("decimal", precision=9, scale=3), nullable=True),
    ),
    UniqueKey("pk_spools", ("id",)),
)
_ROWS = pa.table(
    {
        "id": pa.array([1, 2], pa.int32()),
        "name": ["PLA weiß", None],
        "weighed_at": pa.array([datetime(2026, 11, 22, 10, 0, 0, 123_000), None], pa.timestamp("us")),
        "kilograms": pa.array([Decimal("1.250"), None], pa.decimal128(9, 3)),
    }
)
_TARGET = """
CREATE TABLE spools (
    id integer PRIMARY KEY, name varchar(9), weighed_at timestamp(3), kilograms numeric(9, 3)
)
"""
_LOAD = """
import json, sys
from pathlib import Path
from blb_migration.migration import Migration, RunInfo
from blb_migration.load.table import load_table
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.plan.project import Project
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.settings import parse_source_url, parse_target_url
from blb_migration.sqlserver import catalog as source_catalog
from blb_migration.sqlserver.connect import SourceConnector

source_url, target_url = json.loads(sys.stdin.read())
source, target = SourceConnector(parse_source_url(source_url)), TargetConnector(parse_target_url(target_url))
with source.connect() as session, target.connect() as connection:
    catalogs = source_catalog.read_catalog(session), target_catalog.read_catalog(connection)
project = Project(Path("test"), parse_decisions("project: test", "decisions.yaml"), *catalogs)
loaded = load_table(Migration(project, source, target, RunInfo("r", "migration")), project.plan.tables[0])
print(json.dumps([loaded.rows_written, "pandas" in sys.modules]))
"""


def test_a_load_does_not_import_pandas(new_chain: Callable[..., Chain]) -> None:
    """Half a second in each process: Arrow's compute functions do it where they are given plain numbers."""
    chain = new_chain()
    chain.database.create_table(_SPOOLS)
    chain.database.load(_SPOOLS.name, _ROWS)
    chain.execute(_TARGET)
    done = subprocess.run(
        [sys.executable, "-c", _LOAD],
        input=json.dumps([chain.source_url, chain.target_url]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [2, False]
