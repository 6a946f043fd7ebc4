"""``python -m blb_migration.sandbox.filling``: the sample ERP on both servers, for docs/deploy. Once.

``BLB_FILL_SOURCE_CONN`` names a log-in that may create databases and log-ins; ``BLB_SOURCE_CONN`` the one
that will read, which is made with exactly the README's rights; ``BLB_TARGET_CONN`` an empty database.
What is there already is left alone, so that the command may run at every start.
"""

from __future__ import annotations

import os
import sys

import psycopg

from blb_migration.errors import ConfigurationError, MigrationError
from blb_migration.sandbox.erp import SOURCE_DATABASE, create_source, create_target
from blb_migration.sandbox.filling.create_statements import quote_text
from blb_migration.sandbox.filling.filled_server import FilledServer
from blb_migration.settings import (
    SourceSettings,
    TargetSettings,
    read_source_settings,
    read_target_settings,
)
from blb_migration.sqlserver.names import quote_name

FILL_VARIABLE = "BLB_FILL_SOURCE_CONN"


def main() -> int:
    """Fill what is missing on either side; the exit code is the product's for the error."""
    try:
        reader, target = read_source_settings(), read_target_settings()
        maker_url = os.environ.get(FILL_VARIABLE, "").strip()
        if not maker_url:
            raise ConfigurationError(
                FILL_VARIABLE,
                found="not set",
                expected="a SQL Server URL whose log-in may create databases",
                next_act="Set it, as docs/deploy/compose.yaml does",
            )
        _fill_source(maker_url, reader)
        _prepare_target(target)
    except MigrationError as error:
        sys.stderr.write(f"filling: {error}\n")
        return int(error.exit_code)
    return 0


def build_reader(user: str, password: str) -> list[str]:
    """Build what makes a log-in that may read one database, its definitions included, and nothing else.

    Sources: "CREATE LOGIN", "CREATE USER", "ALTER ROLE" and "GRANT database permissions".
    """
    name = quote_name(user)
    return [
        f"CREATE LOGIN {name} WITH PASSWORD = {quote_text(password)}",
        f"CREATE USER {name} FOR LOGIN {name}",
        f"ALTER ROLE [db_datareader] ADD MEMBER {name}",
        f"GRANT VIEW DEFINITION TO {name}",
    ]


def _fill_source(maker_url: str, reader: SourceSettings) -> None:
    with FilledServer(maker_url, keeps=True) as server:
        if server.has_database(SOURCE_DATABASE):
            _say(f"{SOURCE_DATABASE} is there already")
            return
        try:
            database = create_source(server)
            for statement in build_reader(reader.username or "", reader.password or ""):
                database.execute(statement)
        except BaseException:  # half a sample is worse than none: the next start would leave it alone
            server.drop_database(SOURCE_DATABASE)
            raise
        _say(f"{SOURCE_DATABASE} is made, and filled with the sample")


def _prepare_target(target: TargetSettings) -> None:
    with psycopg.connect(target.conninfo) as connection:
        is_empty = connection.execute("SELECT to_regclass('public.users') IS NULL").fetchone() == (True,)
    if is_empty:
        create_target(target.conninfo)
        _say("the target's tables are made, and empty")


def _say(text: str) -> None:
    sys.stdout.write(f"filling: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
