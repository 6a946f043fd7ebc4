"""The sandbox: a SQL Server emulator, an embedded PostgreSQL and the sample databases.

Nothing outside this folder imports it but the command's ``demo`` and the tests.
"""
