"""Writing the report: the JSON document, and beside it the page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blb_migration.errors import ConfigurationError
from blb_migration.private_files import is_full_disk, write_whole
from blb_migration.report.seal import seal

_PAGE_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True)
class ReportFiles:
    """Where a report goes. ``page`` None: beside a pipe or a device there is no room for a page."""

    document: Path
    page: Path | None


def name_report_files(output: Path) -> ReportFiles:
    """``report.json`` and ``report.html`` for either of the two names."""
    if output.exists() and not output.is_file():
        return ReportFiles(output, None)
    if output.suffix.lower() in _PAGE_SUFFIXES:
        return ReportFiles(output.with_suffix(".json"), output)
    return ReportFiles(output, output.with_suffix(".html"))


def write_report(report: Mapping[str, Any], output: Path) -> ReportFiles:
    """Seal the document and write it as UTF-8 JSON, and its page. Returns what was written.

    Raises ConfigurationError when a file cannot be written.
    """
    from blb_migration.report.page import render_page

    document = seal(report)
    files = name_report_files(output)
    _write(files.document, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    if files.page is not None:
        _write(files.page, render_page(document))
    return files


def _write(path: Path, text: str) -> None:
    # A half of a surrogate pair, which only a broken source value holds, becomes JSON's own \udXXX.
    content = text.encode("utf-8", "backslashreplace")
    try:
        write_whole(path, content)
    except OSError as error:
        raise ConfigurationError(
            str(path),
            found=f"the report cannot be written ({error.strerror})",
            next_act=("Free room there, or name" if is_full_disk(error) else "Name")
            + " a writable file with --output; "
            "'blb-migrate report' writes it again",
        ) from None
