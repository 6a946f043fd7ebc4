"""The operator's commands as they are handed to the system, Windows' and Linux': recorded, not run."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest

from blb_migration.cutover.commands import decode_output, run_command, show_command
from blb_migration.cutover.cutover_file import read_cutover_file
from blb_migration.cutover.night_models import CommandLine, NightSettings
from blb_migration.plan.project import DEFAULT_PROJECT


class RecordedProcess:
    """A process that ends at once, and notes how it was started."""

    calls: ClassVar[list[tuple[Any, dict[str, Any]]]] = []

    def __init__(self, arguments: Any, **options: Any) -> None:
        self.calls.append((arguments, options))

    def wait(self, timeout: float | None = None) -> int:
        return 0


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    RecordedProcess.calls = []
    monkeypatch.setattr(subprocess, "Popen", RecordedProcess)
    return RecordedProcess.calls


@pytest.mark.parametrize("system", ["Windows", "Linux"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["nssm", "stop", "BLB3D Backend"],
        ["sc.exe", "\\\\erp-01", "stop", "BLB3D-Backend"],
        ["systemctl", "stop", "blb3d-backend.service"],
        ["docker", "compose", "-f", "D:\\apps\\compose file.yaml", "stop", "backend"],
        ["C:\\Program Files\\x.exe", 'a "quoted" word', "%PATH%", "$HOME", "*"],
    ],
)
def test_arguments_arrive_as_they_are_written_and_no_shell_reads_them(
    calls: list[tuple[Any, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    system: str,
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setenv("KEPT", "1")
    command = CommandLine(run=arguments, environment={"MORE": "2"})
    run_command(command, str, "stopping", tmp_path)
    [(given, options)] = calls
    assert given == arguments and options["shell"] is False
    assert options["cwd"] == tmp_path and options["stdin"] == subprocess.DEVNULL
    assert (options["env"]["KEPT"], options["env"]["MORE"]) == ("1", "2")
    assert options["start_new_session"] is (system == "Linux")  # Windows has no such thing


def test_a_line_for_the_shell_goes_to_the_shell_as_one_text(
    calls: list[tuple[Any, dict[str, Any]]], tmp_path: Path
) -> None:
    line = "net stop BLB3D-Backend && echo stopped"
    run_command(CommandLine(run=line, shell=True), str, "stopping", tmp_path)
    [(given, options)] = calls
    assert (
        given == line and options["shell"] is True and show_command(CommandLine(run=line, shell=True)) == line
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("BLB3D-Backend: STOP: The operation completed successfully.\r\n".encode("utf-16-le"), None),
        ("\ufeffSERVICE_RUNNING".encode("utf-16-le"), "SERVICE_RUNNING"),
        ("Größe".encode(), "Größe"),
        ("\ufeffb07".encode(), "b07"),
        ("Zugriff verweigert für größere".encode("cp850"), "Zugriff verweigert für größere"),
        (b"", ""),
    ],
)
def test_what_windows_programs_write_can_be_read(written: bytes, read: str | None) -> None:
    assert decode_output(written, "cp850") == (written.decode("utf-16-le") if read is None else read)


def read_erp(root: str) -> NightSettings:
    names = ("PG_HOST", "PG_PORT", "PG_DATABASE", "PG_USER", "PG_PASSWORD", "ERP_USER", "ERP_PASSWORD")
    return read_cutover_file(DEFAULT_PROJECT, {**dict.fromkeys(names, "1"), "ERP_ROOT": root}).settings


def test_the_erp_s_commands_are_those_of_its_windows_machine(
    calls: list[tuple[Any, dict[str, Any]]], tmp_path: Path
) -> None:
    erp = read_erp("D:\\ERP")
    smoke = erp.smoke.service
    assert smoke is not None and erp.target_schema.migrate is not None
    for service in erp.services:
        for command in (service.stop, service.start):
            assert command is not None
            run_command(command, str, service.name, tmp_path)
    for command in (smoke.start, smoke.stop, erp.target_schema.migrate):
        assert command is not None
        run_command(command, str, "smoke", tmp_path)
    assert [given for given, _ in calls] == [
        ["nssm", "stop", "BLB3D-Frontend"],
        ["nssm", "start", "BLB3D-Frontend"],
        ["nssm", "stop", "BLB3D-Backend"],
        ["nssm", "start", "BLB3D-Backend"],
        ["nssm", "start", "BLB3D-Backend-Dev"],
        ["nssm", "stop", "BLB3D-Backend-Dev"],
        ["D:\\ERP\\BLB3D_Dev\\backend\\venv\\Scripts\\alembic.exe", "upgrade", "head"],
    ]
    assert str(calls[-1][1]["cwd"]) == "D:\\ERP\\BLB3D_Dev\\backend"
