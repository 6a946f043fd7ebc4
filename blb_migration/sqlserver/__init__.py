"""The SQL Server side: every statement ever sent to the source lives in this folder, and all of them read.

Rooms: ``connect`` opens sessions, ``failures`` turns the driver's errors into ours, ``names`` quotes,
``catalog`` and ``catalog_rows`` discover, ``read`` streams rows as Arrow batches, ``totals`` and ``probes``
ask for metrics, ``orphans`` asks for rows without their parents. Nothing here knows PostgreSQL.
"""
