"""What a person sees when something goes wrong: one paragraph on stderr, and the right exit code.

Tracebacks go to a log file, for bugs alone; ``--debug`` or BLB_DEBUG=1 brings them to the terminal.
"""

from __future__ import annotations

import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from blb_migration.errors import ExitCode, MigrationError

# A URL's password, and an ODBC connection string's, with its {braces} where it has them.
_SECRETS = re.compile(
    r"(://[^:@/\s]*:)[^\s'\"]*(?=@)|((?:PWD|Password)\s*=\s*)(?:\{(?:[^}]|\}\})*\}|[^;\s'\"]*)", re.I
)


def run_guarded(act: Callable[[], ExitCode], is_debug: bool) -> int:
    """Run ``act`` and return its exit code, or the one that belongs to what it raised."""
    from blb_migration.settings.variables import CommandVariables  # pydantic, which --help does without

    try:
        is_debug = is_debug or CommandVariables.read().debug
        return int(act())
    except MigrationError as error:
        if is_debug:
            traceback.print_exc()
        report_error(str(error))
        return int(error.exit_code)
    except KeyboardInterrupt as error:  # a run says what is not restored, as the ledger knows it
        report_error(str(error) or "interrupted.")
        return int(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last stop: whatever arrives here is a bug
        report_bug(error, is_debug)
        return int(ExitCode.NOT_EQUAL)


def report_error(message: str) -> None:
    """Say on stderr what failed."""
    sys.stderr.write(f"blb-migrate: {mask_secrets(message)}\n")


def report_bug(error: BaseException, is_debug: bool) -> None:
    """Say on stderr that this is our fault, and write the traceback to a file, or with it if debugging."""
    text = mask_secrets("".join(traceback.format_exception(error)))
    summary = f"{type(error).__name__}: {error}. This is a bug in blb_migration"
    if is_debug:
        sys.stderr.write(text)
        report_error(f"{summary}.")
        return
    with tempfile.NamedTemporaryFile(
        "w", prefix="blb-migrate-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(text)
    report_error(f"{summary}; please report it with the traceback in {Path(log.name)}.")


def mask_secrets(text: str) -> str:
    """``text`` without what looks like a password in a URL or in a connection string."""
    return _SECRETS.sub(lambda match: (match[1] or match[2]) + "***", text)
