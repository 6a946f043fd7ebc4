"""The emulator's SQL engine: T-SQL in, typed Arrow results out, DuckDB underneath.

``syntax`` splits and parses batches (sqlglot reads, nothing of its rewriting is used), ``queries``
and ``expression_compiler`` give every expression the T-SQL type SQL Server would give it and spell it for
DuckDB, ``conversions`` and the ``functions_*`` modules know the types' and functions' rules,
``databases`` stores tables, ``catalog_views`` and its siblings answer for ``sys`` and
``INFORMATION_SCHEMA``, ``session`` runs statements and ``engine`` opens sessions.

No bytes of TDS: the protocol lives beside this package.
"""

from blb_migration.sandbox.emulator.tsql.engine import TsqlEngine

__all__ = ["TsqlEngine"]
