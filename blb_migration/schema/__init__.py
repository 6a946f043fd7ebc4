"""A target schema for a source that has none yet: what PostgreSQL's tables should be, and their DDL.

Source catalog and decisions become a target catalog (``design``), which becomes statements
(``ddl``) and a script for people (``script``). Nothing here opens a connection: ``postgres/create``
executes what is written here. What has no counterpart is listed with its definition, never invented.
"""
