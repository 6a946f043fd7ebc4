"""cutover.yaml is read whole or refused by file and line; it never holds a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from blb_migration.cutover.cutover_file import read_cutover_file, read_smoke_file
from blb_migration.errors import ConfigurationError
from blb_migration.plan.project import DEFAULT_PROJECT

WHOLE = """\
records: /var/blb
services:
  - name: backend
    stop: [nssm, stop, 'BLB3D Backend']
    start: {run: [nssm, start, 'BLB3D Backend'], within_seconds: 90}
    answers: http://localhost:8000/health
freeze:
  allowed_sessions: [{program: 'SQLAgent*', reason: it only takes backups}]
backup: {skip: taken by the storage}
configure:
  files:
    - file: C:\\BLB3D_Dev\\.env
      set: {DB_TYPE: postgresql, DB_PASSWORD: '${PG_PASSWORD}', COST: '5$$'}
"""


def test_a_whole_file_is_read_and_its_secrets_are_known(write_file: Callable[[str], Path]) -> None:
    file = read_cutover_file(write_file(WHOLE), {"PG_PASSWORD": "pa#ss word"})
    backend = file.settings.services[0]
    assert backend.stop is not None and backend.stop.run == ["nssm", "stop", "BLB3D Backend"]
    assert backend.start is not None and backend.start.within_seconds == 90
    assert file.settings.backup.skip == "taken by the storage"
    assert file.settings.configure.files[0].set == {
        "DB_TYPE": "postgresql",
        "DB_PASSWORD": "pa#ss word",
        "COST": "5$",
    }
    assert file.secrets == {"pa#ss word"}
    assert "pa#ss word" not in repr(file.secrets and file)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("records: x\nfreze: {}\n", 2, "did you mean freeze"),
        ("freeze:\n  wait_seconds: soon\n", 2, "freeze.wait_seconds"),
        ("freeze:\n  allowed_sessions:\n    - reason: x\n", 3, "needs login, program or host"),
        ("services:\n  - name: a\n    answers: http://x/\n", 1, "needs both stop and start"),
        (
            "services:\n  - name: a\n    stop: nssm stop a\n    start: [x]\n    answers: h:1\n",
            3,
            "list of arguments",
        ),
        (
            "configure:\n  files:\n    - file: a.env\n      set:\n        DB_PASSWORD: hunter2\n",
            5,
            "holds a password",
        ),
        ("backup:\n  command: [sqlcmd, -S, 'x://a:hunter2@b']\n", 2, "holds a password"),
        ("live:\n  health: '${NO_SUCH}'\n", 2, "NO_SUCH} is not set"),
        ("smoke: {port: 1}\nsmoke: {port: 2}\n", 2, "stands here and on line 1"),
        ("switch:\n  production: /a\n", 1, "belong together"),
        ("target_schema:\n  version: {table: alembic}\n", 2, "expected or expected_command"),
        ("watch:\n  logs:\n    - file: a.log\n      error: 'ERROR ('\n", 4, "no regular expression"),
        ("- a\n", 1, "not keys"),
        ("a: [\n", 2, "not valid YAML"),
    ],
)
def test_a_fault_names_its_line(write_file: Callable[[str], Path], text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_cutover_file(write_file(text), {})
    message = str(caught.value)
    assert f"cutover.yaml, line {line}:" in message and said in message
    assert "hunter2" not in message


def test_a_missing_file_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="docs cutover"):
        read_cutover_file(tmp_path)


def test_a_smoke_step_is_a_request_or_a_command(tmp_path: Path) -> None:
    path = tmp_path / "smoke.yaml"
    path.write_text("base: http://localhost:8002\nsteps:\n  - name: nothing\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"smoke.yaml, line 3: .*a request or a command"):
        read_smoke_file(path, {})


def test_the_erp_s_files_are_whole() -> None:
    names = ("ERP_ROOT", "PG_HOST", "PG_PORT", "PG_DATABASE", "PG_USER", "PG_PASSWORD")
    environment = dict.fromkeys((*names, "ERP_USER", "ERP_PASSWORD", "ERP_PRODUCT"), "1")
    file = read_cutover_file(DEFAULT_PROJECT, environment)
    switch = file.settings.switch
    assert switch.production is not None and switch.production.name.endswith("BLB3D_Production")
    for name in ("smoke.yaml", "live.yaml"):
        test, secrets = read_smoke_file(DEFAULT_PROJECT / name, environment)
        assert test.steps[0].log_in and "1" in secrets
