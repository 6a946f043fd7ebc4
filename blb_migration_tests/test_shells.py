"""What is printed to be pasted arrives at the program as it was meant, in each shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shellingham

from blb_migration.shells import (
    Shell,
    describe_installation,
    detect_shell,
    join,
    name_command,
    quote,
)

ODD_NAMES = [
    "plain", "with blank", "Größe 😀", "it's", 'say "hello"', "-leading", "--output", "a\\b", "end\\",
    "$HOME", "`id`", "a&b;c|d", "*", "~", "#x", "!x", "(x)", "two\nlines", "100%", "", "a=b", "%PATH%",
    "\u2018curly\u2019",
]  # fmt: skip


@pytest.mark.parametrize("word", ODD_NAMES)
@pytest.mark.parametrize("shell", [name for name in ("sh", "bash", "zsh", "dash") if shutil.which(name)])
def test_a_posix_shell_hands_over_every_word(word: str, shell: str, tmp_path: Path) -> None:
    program = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['ODD']]))"
    line = join([sys.executable, "-c", program, word, "next"], "posix", {"ODD": word})
    done = subprocess.run([shell, "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[word, "next"], word]


@pytest.mark.parametrize(
    ("shell", "word", "quoted"),
    [
        ("cmd", r"C:\projects\erp", r"C:\projects\erp"),
        ("cmd", r"C:\my projects\erp", r'"C:\my projects\erp"'),
        ("cmd", "C:\\my projects\\", '"C:\\my projects\\\\"'),
        ("cmd", r"C:\R&D", r'"C:\R&D"'),
        ("cmd", "C:\\R&D\\", '"C:\\R&D\\\\"'),
        ("cmd", r"C:\Größe", r'"C:\Größe"'),
        ("cmd", r"C:\a^b(c)", r'"C:\a^b(c)"'),
        ("cmd", "", '""'),
        ("cmd", "--project", "--project"),
        ("powershell", r"C:\projects\erp", r"C:\projects\erp"),
        ("powershell", r"C:\my projects\erp", r"'C:\my projects\erp'"),
        ("powershell", r"C:\it's", r"'C:\it''s'"),
        ("powershell", "C:\\it\u2019s", "'C:\\it\u2019\u2019s'"),
        ("powershell", "$home", "'$home'"),
        ("powershell", "a;b", "'a;b'"),
        ("powershell", "@x", "'@x'"),
        ("powershell", "", "''"),
        ("powershell", "--project", "--project"),
        ("powershell", "-m", "-m"),
        ("powershell", "--%", "'--%'"),
    ],
)
def test_words_for_windows_shells(shell: Shell, word: str, quoted: str) -> None:
    assert quote(word, shell) == quoted


def test_commands_with_variables() -> None:
    words, variables = [r"C:\my tools\python.exe", "-m", "dagster", "dev"], {"BLB_PROJECT": r"C:\R & D's"}
    assert join(words, "cmd", variables) == (
        r'set "BLB_PROJECT=C:\R & D' "'" r's" && "C:\my tools\python.exe" -m dagster dev'
    )
    assert join(words, "powershell", variables) == (
        r"$env:BLB_PROJECT = 'C:\R & D''s'; & 'C:\my tools\python.exe' -m dagster dev"
    )
    assert join(["blb-migrate", "ui"], "powershell") == "blb-migrate ui"


@pytest.mark.parametrize(
    ("found", "shell"),
    [
        ("bash", "posix"),
        ("fish", "posix"),
        ("cmd", "cmd"),
        ("powershell", "powershell"),
        ("pwsh", "powershell"),
    ],
)
def test_the_shell_at_hand(found: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shellingham, "detect_shell", lambda: (found, f"/bin/{found}"))
    assert detect_shell() == shell


def test_without_a_shell_the_systems_own_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise shellingham.ShellDetectionFailure

    monkeypatch.setattr(shellingham, "detect_shell", fail)
    assert detect_shell() == ("cmd" if os.name == "nt" else "posix")


def test_a_command_is_called_by_name_only_where_that_is_this_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = tmp_path / "own" / "bin", tmp_path / "other" / "bin"
    for folder in (own, other):
        folder.mkdir(parents=True)
        (folder / "blb-migrate").write_text("#!/bin/sh\n")
        (folder / "blb-migrate").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    by_module = [str(own / "python"), "-m", "blb_migration"]
    for path, expected in ((own, ["blb-migrate"]), (other, by_module), (tmp_path, by_module)):
        monkeypatch.setenv("PATH", str(path))
        assert name_command("blb-migrate", "blb_migration") == expected


def test_what_an_extra_needs_is_named_by_packages_that_an_index_has() -> None:
    line = describe_installation("sandbox")
    assert " -m pip install " in line
    assert "duckdb" in line
    assert "blb_migration" not in line.partition(" -m pip install ")[2]
