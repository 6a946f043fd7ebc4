"""Files that a run leaves, as links of its pages: differing rows and the report, through our own web server.

``web_files`` serves them. A link is given only where BLB_UI_FILES says that the web server has the run's
folders; elsewhere the page names the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dagster import MetadataValue

from blb_migration.errors import ConfigurationError
from blb_migration.settings.variables import AlertVariables, WebVariables

if TYPE_CHECKING:
    from blb_migration.checks import DifferencesKept

FILES_PATH = "/blb/files"
DIFFERENCES, REPORTS = "differences", "reports"


def build_link(kind: str, run_id: str, name: str) -> str:
    """Build the address of a run's file on the UI's own server.

    It begins with BLB_UI_URL where that is set: only people know the path before which a proxy, or the web
    server's ``--path-prefix``, puts the UI. Elsewhere it is of the server that shows the page.
    """
    place = (AlertVariables.read().ui_url or "").rstrip("/")
    return f"{place}{FILES_PATH}/{kind}/{quote(run_id, safe='')}/{quote(name, safe='')}"


def offer_differences(kept: DifferencesKept, run_id: str) -> dict[str, Any]:
    """Return where the differing rows of a table are had: as links, or as paths on the machine of the run."""
    paths = {"download_csv": Path(kept.csv_path), "download_parquet": Path(kept.parquet_path)}
    return {name: _offer(DIFFERENCES, run_id, path) for name, path in paths.items()}


def offer_report(document: Mapping[str, Any]) -> dict[str, Any]:
    """Write the report's two files, and return where they are had. Raises ConfigurationError."""
    from blb_migration.private_files import make_private_folder
    from blb_migration.report.files import write_report

    run_id = str(document["run"]["run_id"])
    folder = WebVariables.read().reports.resolve() / run_id
    try:
        make_private_folder(folder)
    except OSError as error:
        raise ConfigurationError(
            str(folder),
            found=f"the report cannot be written there ({error.strerror})",
            next_act="Name a writable folder in BLB_REPORTS",
        ) from None
    files = write_report(document, folder / "report.json")
    assert files.page is not None
    return {
        "report_page": _offer(REPORTS, run_id, files.page),
        "report_json": _offer(REPORTS, run_id, files.document),
    }


def _offer(kind: str, run_id: str, path: Path) -> MetadataValue:
    if WebVariables.read().ui_files and path.parent.name == run_id:
        return MetadataValue.url(build_link(kind, run_id, path.name))
    return MetadataValue.path(os.fspath(path))
