"""Move a SQL Server database to PostgreSQL in one cutover, and prove that nothing was lost.

This package's top level imports nothing: ``python -m blb_migration`` must start on a bare Python.
"""

__version__ = "0.1.0"
