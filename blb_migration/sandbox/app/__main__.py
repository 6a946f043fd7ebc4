"""``python -m blb_migration.sandbox.app VERB --folder F --port P``: see the room's docstring."""

import argparse
import sys
from pathlib import Path

from dotenv import dotenv_values

from blb_migration.sandbox.app.app_process import serve, start, stop
from blb_migration.sandbox.app.erp_statements import ErpDatabase, back_up


def main() -> None:
    """Read the line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m blb_migration.sandbox.app", description=__doc__)
    parser.add_argument("verb", choices=("start", "stop", "serve", "backup"))
    parser.add_argument("--folder", type=Path, required=True, help="Where .env lies; logs go there.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--owner", type=int, help="A process: when it is gone, the application ends.")
    given = parser.parse_args()
    folder = given.folder.absolute()
    if given.verb == "stop":
        stop(folder, given.port)
    elif given.verb == "backup":
        database = ErpDatabase(dotenv_values(folder / ".env"))
        with database.open_cursor() as cursor:
            sys.stdout.write(back_up(cursor, database.name) + "\n")
    elif given.verb == "start":
        start(folder, given.port, given.owner)
    else:
        serve(folder, given.port, given.owner)


if __name__ == "__main__":
    main()
