"""The sample ERP of a 3D-print farm: schemas of both sides, and rows that read like a real one.

``create_source`` fills the SQL Server emulator, ``create_target`` makes the empty PostgreSQL
tables, ``ErpSample`` yields the rows as Arrow, ``build_source_catalog`` is the schema alone.
"""

from blb_migration.sandbox.erp.erp_schema import SOURCE_DATABASE, build_source_catalog
from blb_migration.sandbox.erp.erp_source import create_source
from blb_migration.sandbox.erp.erp_target import TARGET_ALEMBIC_VERSION, create_target
from blb_migration.sandbox.erp.sample import ErpSample

__all__ = [
    "SOURCE_DATABASE",
    "TARGET_ALEMBIC_VERSION",
    "ErpSample",
    "build_source_catalog",
    "create_source",
    "create_target",
]
