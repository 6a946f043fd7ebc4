"""Serves what runs leave in files, beside Dagster's own pages: differing rows and reports, read only.

Behind ``web_guard`` like everything else. A name is looked up among the files that are there, so no name
leads elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from blb_migration.defs.files_offered import DIFFERENCES, FILES_PATH, REPORTS
from blb_migration.settings.variables import ComparingVariables, WebVariables

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}
_SHOWN = (".html",)  # the others are saved


def add_files(app: Starlette, path_prefix: str = "") -> None:
    """Let ``app`` answer for the files of runs, before its own routes, of which one takes every address.

    Under ``path_prefix`` as well: a proxy may hand on nothing else.
    """
    for prefix in {"", path_prefix}:
        path = f"{prefix}{FILES_PATH}/{{kind}}/{{run_id}}/{{name}}"
        app.router.routes.insert(0, Route(path, serve_file))


async def serve_file(request: Request) -> Response:
    """Answer with one file of one run."""
    kind, run_id, name = (request.path_params[key] for key in ("kind", "run_id", "name"))
    path = find_file(kind, run_id, name)
    if path is None:
        text = (
            f"No file {name} of run {run_id} is on this machine: it was deleted, or the run was elsewhere.\n"
        )
        return PlainTextResponse(text, 404)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    media_type = _MEDIA_TYPES[path.suffix]
    if path.suffix in _SHOWN:
        return FileResponse(path, media_type=media_type, headers=headers)
    return FileResponse(path, media_type=media_type, headers=headers, filename=path.name)


def find_file(kind: str, run_id: str, name: str) -> Path | None:
    """Find it among the files of that run; None where there is no such file."""
    folders = {
        DIFFERENCES: ComparingVariables.read().differences,
        REPORTS: WebVariables.read().reports,
    }
    if kind not in folders:
        return None
    for folder in _list(folders[kind]):
        if folder.name == run_id and folder.is_dir():
            for path in _list(folder):
                if path.name == name and path.is_file() and path.suffix in _MEDIA_TYPES:
                    return path
    return None


def _list(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
