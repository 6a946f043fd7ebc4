"""Configuration files keep every byte but those of the named keys, in each format, and come back read."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import cast

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from blb_migration.cutover.config_edits import edit_text
from blb_migration.cutover.config_files import find_obstacle, plan_change, replace_file
from blb_migration.cutover.folders import Rename, carry_over, is_link, is_within, plan_renames, rename_folder
from blb_migration.cutover.night_models import ConfigFile
from blb_migration.cutover.step import StepFailed

ENV = (
    b"\xef\xbb\xbf# the database\r\n"
    b"export DB_TYPE = 'sqlserver'  # or postgresql\r\n"
    b"DB_HOST=localhost # old\r\n"
    b'DB_PASSWORD="p#1 x"\r\n'
    b"NOTE=caf\xe9\r\n"
    b"DB_HOST=again\r\n"
    b"EMPTY\r\n"
    b"LAST=1"
)


def test_env_keeps_everything_but_the_named_keys(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(ENV)
    path.chmod(0o640)
    wanted = {"DB_TYPE": "postgresql", "DB_HOST": "pg-1", "DB_PASSWORD": "a#b 'c' \\ d", "DB_NAME": "erp"}
    change = plan_change(ConfigFile(file=path, set=wanted), path)
    assert change.after == (
        b"\xef\xbb\xbf# the database\r\n"
        b"export DB_TYPE = 'postgresql'  # or postgresql\r\n"
        b"DB_HOST=pg-1 # old\r\n"
        b"DB_PASSWORD='a#b \\'c\\' \\\\ d'\r\n"
        b"NOTE=caf\xe9\r\n"
        b"DB_HOST=pg-1\r\n"
        b"EMPTY\r\n"
        b"LAST=1\r\n"
        b"DB_NAME=erp"
    )
    assert change.changes["DB_PASSWORD"] == ("***", "***")
    assert change.changes["DB_HOST"] == ("again", "pg-1")
    assert "a#b" not in repr(change) + "".join(change.describe())
    replace_file(path, change.after, like=path)
    assert path.read_bytes() == change.after and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert plan_change(ConfigFile(file=path, set=wanted), path).changes == {}
    assert [one.name for one in tmp_path.iterdir()] == [".env"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_file_in_utf_16_is_refused_and_not_written_into(tmp_path: Path, encoding: str) -> None:
    """As PowerShell's > writes it: a key that is added in UTF-8 would be the only one anybody reads."""
    path = tmp_path / ".env"
    path.write_text("DB_TYPE=sqlserver\r\n", encoding=encoding)
    with pytest.raises(StepFailed, match="UTF-16, as PowerShell writes it"):
        plan_change(ConfigFile(file=path, set={"DB_TYPE": "postgresql"}), path)


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=20),
    st.sampled_from(["o", "'o'", '"o"']),
)
def test_any_value_comes_back_from_env_or_is_refused(value: str, old: str) -> None:

    text = f"A=1\nKEY={old} # why\nB=2\n"
    try:
        edited = edit_text(text, "env", {"KEY": value}, ".env")
    except StepFailed as error:
        assert "$" in value, error
        return
    assert dotenv_values(stream=io.StringIO(edited)) == {"A": "1", "KEY": value, "B": "2"}
    assert edited.startswith("A=1\nKEY=") and edited.endswith(" # why\nB=2\n")


@pytest.mark.parametrize(
    ("kind", "text", "key", "value", "edited"),
    [
        (
            "yaml",
            "db: # the\n  host: old   # x\n  port: 1433\n",
            "db.port",
            "5432",
            "db: # the\n  host: old   # x\n  port: 5432\n",
        ),
        ("yaml", "db:\r\n  host: 'o''ld'\r\n", "db.host", "it's", "db:\r\n  host: 'it''s'\r\n"),
        ("yaml", "host: old\n", "host", "a: b #c", 'host: "a: b #c"\n'),
        ("yaml", "host: old\n", "host", "yes", 'host: "yes"\n'),
        (
            "json",
            '{\n\t"db": {"host": "old", "port": 1433}\n}',
            "db.host",
            'a"b',
            '{\n\t"db": {"host": "a\\"b", "port": 1433}\n}',
        ),
        ("json", '{"port": 1433}', "port", "5432", '{"port": 5432}'),
        (
            "ini",
            "[a]\nhost=1\n[b.c]\n; no\nhost = old\r\nx=1\n",
            "b.c.host",
            "new",
            "[a]\nhost=1\n[b.c]\n; no\nhost = new\r\nx=1\n",
        ),
    ],
)
def test_structured_files_change_in_one_place(
    kind: str, text: str, key: str, value: str, edited: str
) -> None:
    assert edit_text(text, kind, {key: value}, "file") == edited


@pytest.mark.parametrize(
    ("kind", "text", "key"),
    [
        ("yaml", "a: {b: 1}\n", "a.c"),
        ("json", "{", "a"),
        ("ini", "[a]\nb=1\n", "a.c"),
        ("yaml", "a: 1\na: 2\n", "a"),
    ],
)
def test_what_cannot_be_found_is_refused(kind: str, text: str, key: str) -> None:
    with pytest.raises(StepFailed):
        edit_text(text, kind, {key: "x"}, "file")


def test_a_read_only_file_and_one_with_two_names_stand_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    assert find_obstacle(path) is None
    os.link(path, tmp_path / "other")
    assert "hard links" in str(find_obstacle(path))
    (tmp_path / "other").unlink()
    path.chmod(0o444)
    assert "read-only" in str(find_obstacle(path))
    assert "cannot be read" in str(find_obstacle(tmp_path / "none"))


def in_use(*_paths: object) -> None:
    error = PermissionError(13, "The process cannot access the file")
    error.winerror = 32  # type: ignore[attr-defined]
    raise error


def test_a_file_that_is_open_elsewhere_says_so_and_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    with pytest.raises(StepFailed, match="another program has it open"):
        replace_file(path, b"A=2\n", like=path, act=in_use, patience_seconds=0.3)
    assert path.read_text() == "A=1\n" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", [PurePosixPath, PureWindowsPath])
def test_renames_are_planned_by_either_system_s_rules(kind: type[PurePosixPath | PureWindowsPath]) -> None:
    root = "C:\\" if kind is PureWindowsPath else "/srv"
    production, new = kind(root, "BLB3D_Production"), kind(root, "BLB3D_Dev")
    away, into = plan_renames(production, new, "{name}_SQLSERVER_{time}", "20260101T000000Z")
    assert away == Rename(production, kind(root, "BLB3D_Production_SQLSERVER_20260101T000000Z"))
    assert into == Rename(new, production) and into.back == Rename(production, new)
    with pytest.raises(StepFailed, match="another folder"):
        plan_renames(production, new, "../{time}", "1")
    with pytest.raises(StepFailed, match="within it"):
        plan_renames(production, production / "x", "{time}", "1")


@pytest.mark.parametrize(
    "kept_as", ["{name}?{time}", "{time} ", "{time}.", "NUL.{time}", 'a"{time}', "a|{time}"]
)
def test_a_name_that_windows_does_not_have_is_refused_before_the_night(kept_as: str) -> None:
    folders = PureWindowsPath("C:\\P"), PureWindowsPath("C:\\N")
    with pytest.raises(StepFailed, match="no name for a folder of Windows"):
        plan_renames(*folders, kept_as, "20260101T000000Z")
    posix = plan_renames(PurePosixPath("/P"), PurePosixPath("/N"), kept_as, "1")
    assert posix[0].target.parent == PurePosixPath("/")  # there it is one


@pytest.mark.parametrize("kind", [PurePosixPath, PureWindowsPath])
def test_a_file_is_found_again_in_a_renamed_folder_by_either_system_s_rules(
    kind: type[PurePosixPath | PureWindowsPath],
) -> None:
    root = kind("C:\\Apps" if kind is PureWindowsPath else "/srv/Apps")
    rename = Rename(root / "Dev", root / "Production")
    assert carry_over(root / "Dev" / "backend" / ".env", rename) == root / "Production" / "backend" / ".env"
    assert carry_over(root / "Dev", rename) == root / "Production"
    for elsewhere in (root / "Dev2" / ".env", root / ".env"):
        assert carry_over(elsewhere, rename) == elsewhere and not is_within(elsewhere, rename.source)
    other_case = root / "dev" / ".env"  # the same folder to Windows, another one to Linux
    assert is_within(other_case, rename.source) is (kind is PureWindowsPath)
    moved = rename.target / ".env" if kind is PureWindowsPath else other_case
    assert carry_over(other_case, rename) == moved


def test_paths_of_windows_processes_are_within_a_folder_as_windows_says_them() -> None:
    folder = PureWindowsPath("C:\\BLB3D_Dev")
    for path in ("C:\\BLB3D_Dev\\", "c:\\blb3d_dev\\backend\\app.log", "C:/BLB3D_Dev/backend"):
        assert is_within(PureWindowsPath(path), folder)
    for path in ("C:\\BLB3D_Dev_old", "D:\\BLB3D_Dev", "\\\\server\\BLB3D_Dev"):
        assert not is_within(PureWindowsPath(path), folder)


def test_a_windows_share_violation_is_tried_again_then_explained() -> None:
    rename = Rename(PureWindowsPath("C:\\P"), PureWindowsPath("C:\\P_old"))
    calls: list[object] = []

    def third_time(source: object, target: object) -> None:
        calls.append((source, target))
        if len(calls) < 3:
            in_use()

    assert rename_folder(rename, act=third_time, exists=lambda path: path == rename.source)
    assert calls == [(rename.source, rename.target)] * 3
    with pytest.raises(StepFailed, match=r"in use: explorer \(process 4\)"):
        rename_folder(
            rename,
            act=in_use,
            exists=lambda path: path == rename.source,
            find=lambda _path: ["explorer (process 4)"],
            patience_seconds=0.3,
        )


def test_a_taken_name_and_another_volume_are_refused(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    with pytest.raises(StepFailed, match="the name is taken"):
        rename_folder(Rename(a, b))
    b.rmdir()
    with pytest.raises(StepFailed, match="nothing is copied"):
        rename_folder(Rename(a, b), act=other_volume)
    assert rename_folder(Rename(a, b)) and not rename_folder(Rename(a, b))  # done already
    with pytest.raises(StepFailed, match="it is not there"):
        rename_folder(Rename(tmp_path / "c", tmp_path / "d"))


def test_links_and_windows_junctions_are_told_from_folders(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert is_link(tmp_path / "link") and not is_link(tmp_path)
    junction = SimpleNamespace(st_mode=stat.S_IFDIR, st_reparse_tag=0xA0000003)
    folder_in_a_cloud = SimpleNamespace(st_mode=stat.S_IFDIR, st_reparse_tag=0x9000001A)
    assert is_link(tmp_path, lambda _path: cast("os.stat_result", junction))
    assert not is_link(tmp_path, lambda _path: cast("os.stat_result", folder_in_a_cloud))


def other_volume(*_paths: object) -> None:
    raise OSError(18, "Invalid cross-device link")
