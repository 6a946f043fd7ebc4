"""Where the two databases are: connection URLs and the environment, checked where they enter.

``parse_source_url`` and ``parse_target_url`` turn URLs as people write them (SQLAlchemy's form) into
frozen settings; the ``read_*`` functions take them from an argument or from the environment. Nothing is
contacted here. Passwords stay inside: no ``repr``, message or ``masked_url`` shows one. Rooms: ``urls``
splits and masks, ``odbc`` knows drivers and their keywords, ``source`` and ``target`` hold the settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from blb_migration.errors import ConfigurationError
from blb_migration.settings.source import SourceSettings, parse_source_url
from blb_migration.settings.target import TargetSettings, parse_target_url
from blb_migration.settings.urls import DatabaseIdentity

SOURCE_VARIABLE = "BLB_SOURCE_CONN"
TARGET_VARIABLE = "BLB_TARGET_CONN"
PROJECT_VARIABLE = "BLB_PROJECT"

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


def read_source_settings(
    url: str | None = None, environment: Mapping[str, str] = os.environ
) -> SourceSettings:
    """The source from ``url`` or, when that is empty, from BLB_SOURCE_CONN; else ConfigurationError."""
    return parse_source_url(_choose(url, environment, SOURCE_VARIABLE, "--source-conn"))


def read_target_settings(
    url: str | None = None, environment: Mapping[str, str] = os.environ
) -> TargetSettings:
    """The target from ``url`` or, when that is empty, from BLB_TARGET_CONN; else ConfigurationError."""
    return parse_target_url(_choose(url, environment, TARGET_VARIABLE, "--target-conn"))


def read_project_folder(
    folder: str | Path | None = None, environment: Mapping[str, str] = os.environ
) -> Path | None:
    """The project folder from ``folder`` or BLB_PROJECT; None means the project that ships in the box."""
    chosen = str(folder or environment.get(PROJECT_VARIABLE, "")).strip()
    if not chosen:
        return None
    path = Path(chosen).expanduser()
    if not path.is_dir():
        raise ConfigurationError(
            str(path),
            found="is not a folder",
            expected="a project folder with decisions.yaml and catalog.json",
            next_act=f"Correct --project or {PROJECT_VARIABLE}",
        )
    return path


def _choose(url: str | None, environment: Mapping[str, str], variable: str, option: str) -> str:
    chosen = (url or environment.get(variable, "")).strip()
    if not chosen:
        raise ConfigurationError(
            option,
            found=f"neither given, nor is {variable} set",
            expected="a connection URL",
            next_act=f"Give {option} URL, or set {variable}",
        )
    return chosen
