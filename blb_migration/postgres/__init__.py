"""The target side: every statement ever sent to PostgreSQL is in this folder.

``connect`` opens sessions, ``catalog`` and ``traits`` read what is there, ``copy`` writes rows,
``constraints``, ``indexes`` and ``triggers`` dropped what slows a load and bring it back,
``sequences`` and ``totals`` finish and measure, ``ledger`` remembers, ``ownership`` protects rows
that this tool did not load. Nothing here knows SQL Server, plans or Dagster.
"""
