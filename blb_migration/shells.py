"""Commands as a person can paste them: into a POSIX shell, cmd.exe or PowerShell.

Knows how each shell quotes, which one is at hand, and how this installation's commands are called from
any folder.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import Literal

import shellingham

Shell = Literal["posix", "cmd", "powershell"]

_SAFE_IN_CMD = re.compile(r"[\w.:/\\+-]+", re.ASCII)
_SAFE_IN_POWERSHELL = re.compile(r"[\w.:/\\+][\w.:/\\+-]*|-{1,2}[\w-]+", re.ASCII)
# PowerShell takes typographic quotes for plain ones ("about_Quoting_Rules"); each is written twice.
_POWERSHELL_QUOTE = re.compile("(['\u2018\u2019\u201a\u201b])")


def detect_shell() -> Shell:
    """Find out which shell this process was started from; the system's own where that cannot be told."""
    try:
        name = shellingham.detect_shell()[0]
    except (shellingham.ShellDetectionFailure, OSError, NotImplementedError):
        name = "cmd" if os.name == "nt" else "sh"
    if name in ("powershell", "pwsh"):
        return "powershell"
    return "cmd" if name == "cmd" else "posix"


def quote(word: str, shell: Shell) -> str:
    """Write one word so that the shell hands it over to a program as it is.

    cmd.exe has no way to keep ``%NAME%`` from being replaced where NAME is a variable.
    """
    if shell == "posix":
        return shlex.quote(word)
    if shell == "powershell":
        return word if _SAFE_IN_POWERSHELL.fullmatch(word) else _quote_for_powershell(word)
    if _SAFE_IN_CMD.fullmatch(word):
        return word
    quoted = subprocess.list2cmdline([word])
    # list2cmdline quotes blanks only, for a program; cmd.exe reads & | < > ( ) ^ unless they are quoted.
    # A backslash before the closing quote is doubled, as list2cmdline does it.
    return quoted if quoted.startswith('"') else f'"{word}{_trailing_backslashes(word)}"'


def join(words: Sequence[str], shell: Shell | None = None, variables: Mapping[str, str] | None = None) -> str:
    """Write a command line for ``shell``, else for the one at hand.

    ``variables`` are set in its environment; in cmd.exe and PowerShell they stay set.
    """
    shell = shell or detect_shell()
    line = " ".join(quote(word, shell) for word in words)
    if shell == "powershell" and not _SAFE_IN_POWERSHELL.fullmatch(words[0]):
        line = f"& {line}"
    for name, value in reversed(list((variables or {}).items())):
        match shell:
            case "posix":
                line = f"{name}={shlex.quote(value)} {line}"
            case "cmd":
                line = f'set "{name}={value}" && {line}'
            case "powershell":
                line = f"$env:{name} = {_quote_for_powershell(value)}; {line}"
    return line


def name_command(script: str, module: str) -> list[str]:
    """Name this installation's ``script`` as PATH finds it; where it does not, call ``module``."""
    found = shutil.which(script)
    is_ours = found is not None and Path(found).parent.resolve() == Path(sys.executable).parent.resolve()
    return [script] if is_ours else [sys.executable, "-m", module]


def describe_installation(extra: str) -> str:
    """Say how to install what an extra needs: by the packages' own names, since ours is on no index."""
    wanted = (line.partition(";") for line in requires("blb_migration") or ())
    packages = [name.strip() for name, _, marker in wanted if re.search(f"extra == .{extra}.", marker)]
    return join([sys.executable, "-m", "pip", "install", *packages])


def _quote_for_powershell(word: str) -> str:
    return "'" + _POWERSHELL_QUOTE.sub(r"\1\1", word) + "'"


def _trailing_backslashes(word: str) -> str:
    return word[len(word.rstrip("\\")) :]
