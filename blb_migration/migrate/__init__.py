"""The stages of a migration: preflight, prepare, load a table, finish.

They call ``sqlserver/`` and ``postgres/`` and know nothing of Dagster: the command, the asset graph
and the tests all come through here.
"""
