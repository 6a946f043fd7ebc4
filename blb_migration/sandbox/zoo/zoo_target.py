"""The zoo's PostgreSQL side as made beforehand: ``target_schema.sql``, written by hand, not by this tool."""

from __future__ import annotations

from importlib.resources import files

import psycopg


def create_zoo_target(target_url: str) -> None:
    """Create the schemas and empty tables in the empty database at ``target_url`` (a libpq URL).

    One transaction. Raises psycopg.Error when the database cannot be reached or a table is there.
    """
    statements = files(__package__).joinpath("target_schema.sql").read_text(encoding="utf-8")
    with psycopg.connect(target_url) as connection:
        connection.execute(statements.encode())
