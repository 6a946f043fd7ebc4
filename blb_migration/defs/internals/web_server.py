"""``dagster-webserver`` with ``web_guard`` in front: ``python -m blb_migration.defs.internals.web_server``.

Takes all of its options. Dagster promises no way to put anything before its app, so the function by which
its command makes the app is wrapped. Where a later Dagster has it no more, nothing is served.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from blb_migration.collector import resting_collector

with resting_collector():
    from starlette.applications import Starlette

    from blb_migration.defs.web_files import add_files
    from blb_migration.defs.web_guard import guard_app

    cli: Any = import_module("dagster_webserver.cli")  # untyped: what it imports is not its own
_make_app = cli.create_app_from_workspace_process_context
_guarded: list[Starlette] = []


def make_guarded_app(context: Any, path_prefix: str = "", *args: Any, **kwargs: Any) -> Starlette:
    """Make Dagster's app, with the files of runs beside its pages and the guard in front."""
    app: Starlette = _make_app(context, path_prefix, *args, **kwargs)
    add_files(app, path_prefix)
    guard_app(app)
    _guarded.append(app)
    return app


def main() -> None:
    """Run Dagster's command for its web server."""
    run = cli.uvicorn.run

    def serve(app: Any, **options: Any) -> None:
        if app not in _guarded:
            sys.exit(f"This dagster-webserver ({cli.__version__}) cannot be guarded, so it is not served")
        run(app, **options)

    cli.create_app_from_workspace_process_context = make_guarded_app
    cli.uvicorn.run = serve
    cli.main()


if __name__ == "__main__":
    main()
