"""Where the two databases are: connection URLs and the environment, checked where they enter.

``parse_source_url`` and ``parse_target_url`` turn URLs as people write them (SQLAlchemy's form) into
frozen settings; the ``read_*`` functions take them from an argument or from the environment. Nothing is
contacted here. Passwords stay inside: no ``repr``, message or ``masked_url`` shows one. Rooms: ``urls``
splits and masks, ``odbc`` knows drivers and their keywords, ``source`` and ``target`` hold the settings,
``variables`` declares every BLB_* variable.
"""

from __future__ import annotations

from pathlib import Path

from blb_migration.errors import ConfigurationError
from blb_migration.settings.source import SourceSettings, parse_source_url
from blb_migration.settings.target import TargetSettings, parse_target_url
from blb_migration.settings.urls import DatabaseIdentity
from blb_migration.settings.variables import DatabaseVariables, name_variable, read_url_variable

SOURCE_VARIABLE = name_variable("source_conn")
TARGET_VARIABLE = name_variable("target_conn")
PROJECT_VARIABLE = name_variable("project")

__all__ = [
    "PROJECT_VARIABLE",
    "SOURCE_VARIABLE",
    "TARGET_VARIABLE",
    "DatabaseIdentity",
    "SourceSettings",
    "TargetSettings",
    "parse_source_url",
    "parse_target_url",
    "read_project_folder",
    "read_source_settings",
    "read_target_settings",
]


def read_source_settings(url: str | None = None) -> SourceSettings:
    """Read the source from ``url`` or, when that is empty, from BLB_SOURCE_CONN; else ConfigurationError."""
    return parse_source_url(_choose(url, "source_conn"))


def read_target_settings(url: str | None = None) -> TargetSettings:
    """Read the target from ``url`` or, when that is empty, from BLB_TARGET_CONN; else ConfigurationError."""
    return parse_target_url(_choose(url, "target_conn"))


def read_project_folder(folder: Path | None = None) -> Path | None:
    """Read the project folder from ``folder`` or BLB_PROJECT; None means the project that is in the box."""
    path = folder or DatabaseVariables.read().project
    if path is None:
        return None
    path = path.expanduser()
    if not path.is_dir():
        raise ConfigurationError(
            str(path),
            found="is not a folder",
            expected="a project folder with decisions.yaml and catalog.json",
            next_act=f"Correct --project or {PROJECT_VARIABLE}",
        )
    return path


def _choose(url: str | None, field: str) -> str:
    chosen = (url or "").strip() or read_url_variable(field)
    if chosen is None:
        option, variable = f"--{field.replace('_', '-')}", name_variable(field)
        raise ConfigurationError(
            option,
            found=f"neither given, nor is {variable} set",
            expected="a connection URL",
            next_act=f"Give {option} URL, or set {variable}",
        )
    return chosen
