"""Several commands at once into a DAGSTER_HOME that nobody has used yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from blb_migration.documents import INSTANCE_FILE, read_document

AT_ONCE = 4
# All of them wait until the last one is there.
OPEN = """
import os, sys
from pathlib import Path
from blb_migration.defs.in_process import _get_instance
print("there", flush=True)
sys.stdin.readline()
with _get_instance(Path(os.environ["DAGSTER_HOME"])) as instance:
    print(len(instance.get_runs()))
"""


def test_commands_that_begin_at_once_all_get_an_instance(tmp_path: Path) -> None:
    (tmp_path / INSTANCE_FILE).write_text(read_document(INSTANCE_FILE), encoding="utf-8")
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path)}
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(AT_ONCE)
    ]
    for command in commands:
        assert command.stdout is not None
        assert command.stdout.readline() == "there\n"
    for command in commands:
        assert command.stdin is not None
        command.stdin.write("\n")
        command.stdin.flush()
    answers = [command.communicate(timeout=120) for command in commands]
    assert [command.returncode for command in commands] == [0] * AT_ONCE, answers
    assert {out for out, _ in answers} == {"0\n"}
