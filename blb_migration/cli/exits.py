"""What a person sees when something goes wrong: one paragraph on stderr, and the right exit code.

Tracebacks go to a log file, for bugs alone; ``--debug`` or BLB_DEBUG=1 brings them to the terminal.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from blb_migration import waiting
from blb_migration.cli.signals import find_exit_code
from blb_migration.cli.visible_text import make_visible
from blb_migration.errors import ConfigurationError, ExitCode, MigrationError
from blb_migration.masking import mask_secrets
from blb_migration.missing_libraries import build_install_advice, name_library
from blb_migration.private_files import is_full_disk

_FULL = re.compile(r"disk is full|disk I/O error|readonly database|unable to open database")
INTERRUPTED = "interrupted."


def run_guarded(act: Callable[[], ExitCode], is_debug: bool) -> int:
    """Run ``act`` and return its exit code, or the one that belongs to what it raised."""
    from blb_migration.settings.variables import CommandVariables  # pydantic, which --help does without

    try:
        is_debug = is_debug or CommandVariables.read().debug
        with waiting.told_to(report_error):
            return int(act())
    except MigrationError as error:
        if is_debug:
            sys.stderr.write(make_visible(traceback.format_exc()))
        report_error(str(error))
        return int(error.exit_code)
    except KeyboardInterrupt as error:  # a run says what is not restored, as the ledger knows it
        report_error(str(error) or INTERRUPTED)
        return int(find_exit_code())
    except Exception as error:  # noqa: BLE001 - the last stop: whatever arrives here is a bug
        refused = describe_missing_library(error) if isinstance(error, ImportError) else None
        refused = refused or describe_full_disk(error)
        if refused is not None:
            report_error(str(refused))
            return int(refused.exit_code)
        report_bug(error, is_debug)
        return int(ExitCode.NOT_EQUAL)


def describe_missing_library(error: ImportError) -> ConfigurationError | None:
    """Describe the system's library without which a package cannot be imported; None if it is not that."""
    library = name_library(str(error))
    if library is None:
        return None
    return ConfigurationError(
        f"library {library}",
        found="this machine cannot load it, and without it the packages of this tool cannot be used",
        next_act=build_install_advice([library]),
    )


def describe_full_disk(error: BaseException) -> ConfigurationError | None:
    """Describe that a file of this machine takes no more, as Dagster's records and logs say it; else None."""
    cause: BaseException | None = error
    while cause is not None:
        of_sqlite = getattr(cause, "orig", None)  # as SQLAlchemy hands it over
        if is_full_disk(cause) or (of_sqlite is not None and _FULL.search(str(of_sqlite))):
            home = os.environ.get("DAGSTER_HOME")
            kept = f"DAGSTER_HOME ({home}), " if home else ""
            return ConfigurationError(
                str(getattr(cause, "filename", None) or "a disk of this machine"),
                found=f"it takes no more ({of_sqlite or os.strerror(errno.ENOSPC)})",
                next_act=f"Free room where {kept}the temporary files and the reports are, then run again",
            )
        cause = cause.__cause__ or cause.__context__
    return None


def report_error(message: str) -> None:
    """Say on stderr what failed."""
    sys.stderr.write(f"blb-migrate: {make_visible(mask_secrets(message))}\n")


def report_bug(error: BaseException, is_debug: bool) -> None:
    """Say on stderr that this is our fault, and write the traceback to a file, or with it if debugging."""
    text = mask_secrets("".join(traceback.format_exception(error)))
    summary = f"{type(error).__name__}: {error}. This is a bug in blb_migration"
    if is_debug:
        sys.stderr.write(make_visible(text))
        report_error(f"{summary}.")
        return
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="blb-migrate-", suffix=".log", delete=False, encoding="utf-8"
        ) as log:
            log.write(text)
    except OSError:  # no room, or no folder for it
        report_error(f"{summary}; please report it. BLB_DEBUG=1 shows the traceback.")
        return
    report_error(f"{summary}; please report it with the traceback in {Path(log.name)}.")
