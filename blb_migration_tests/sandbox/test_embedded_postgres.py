"""The embedded PostgreSQL: starts anywhere, answers every client, leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import psycopg2  # type: ignore[import-untyped]
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from blb_migration.errors import TargetError
from blb_migration.sandbox import postgres_account
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration_tests.hearing import HEAR_SIGHUP

if os.name == "posix":
    import pwd


def query(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres() as running:
        yield running


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder for temporary files that every account may reach; pytest's own are closed."""
    with tempfile.TemporaryDirectory(dir="/tmp" if os.name == "posix" else None) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_psycopg_psycopg2_and_sqlalchemy_connect_by_url(server: EmbeddedPostgres) -> None:
    url = server.create_database("blb3d_erp")
    assert url == server.url("blb3d_erp")
    assert make_url(url).host == "127.0.0.1" and make_url(url).port == server.port
    assert query(url, "SELECT current_setting('server_version_num')::int / 10000") == 18
    older = psycopg2.connect(url)
    older.close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar() == "blb3d_erp"
    engine.dispose()


def test_a_wrong_password_is_refused(server: EmbeddedPostgres) -> None:
    wrong = make_url(server.url()).set(password="guess").render_as_string(hide_password=False)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_databases_of_any_name_come_and_go_with_clients_connected(server: EmbeddedPostgres) -> None:
    name = 'Größe "2" ; drop'
    server.create_database(name)
    with psycopg.connect(server.url(), dbname=name) as connection:
        server.drop_database(name)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()
    server.drop_database(name)
    assert query(server.url(), "SELECT count(*) FROM pg_database WHERE datname LIKE 'Gr%'") == 0


def test_several_servers_run_at_once() -> None:
    servers = [EmbeddedPostgres() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(EmbeddedPostgres.start, servers))
    try:
        assert len({server.port for server in servers}) == 3
        assert [query(server.url(), "SELECT 1") for server in servers] == [1, 1, 1]
    finally:
        for server in servers:
            server.stop()


def test_a_given_directory_keeps_its_databases(tmp_path: Path) -> None:
    deep = tmp_path / ("a-directory-too-deep-for-a-unix-socket-" * 3)
    with EmbeddedPostgres(deep) as server:
        url = server.create_database("kept")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    with EmbeddedPostgres(deep) as server:
        assert query(server.url("kept"), "SELECT current_database()") == "kept"


def test_a_temporary_directory_is_removed() -> None:
    server = EmbeddedPostgres()
    with server:
        data_dir = Path(str(query(server.url(), "SHOW data_directory")))
        assert data_dir.exists()
    assert not data_dir.parent.exists()
    server.stop()


def test_text_sorts_by_code_point_and_the_clock_is_utc(server: EmbeddedPostgres) -> None:
    assert (
        query(server.url(), "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{a,B,ä}'::text[]) x") == "Baä"
    )
    assert query(server.url(), "SHOW timezone") == "UTC"


def test_a_directory_that_is_not_a_clusters_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").write_text("mine")
    with pytest.raises(TargetError, match="holds files, and no cluster of ours"), EmbeddedPostgres(tmp_path):
        pass
    assert (tmp_path / "data" / "notes.txt").read_text() == "mine"


def test_no_password_shows_in_the_repr(server: EmbeddedPostgres) -> None:
    password = make_url(server.url()).password
    assert password and str(password) not in repr(server)


def run_server_in(code: str, tmp_path: Path) -> tuple[subprocess.Popen[str], int, Path]:
    """Return a process of its own that has a server: (the process, the server's process id, its data
    folder)."""
    program = (
        f"{HEAR_SIGHUP}import time\nfrom blb_migration.sandbox.embedded_postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres()\nserver.start()\n"
        "print((server._place.data_folder / 'postmaster.pid').read_text().split()[0], flush=True)\n"
        f"print(server._place.data_folder, flush=True)\n{code}\n"
    )
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environ)
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline()), Path(owner.stdout.readline().strip())


def wait_until_gone(process_id: int, folder: Path) -> None:
    end = time.monotonic() + 30
    while psutil.pid_exists(process_id) or folder.exists():
        assert time.monotonic() < end, f"process {process_id} or {folder} is still there"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda how: how.name)
def test_a_killed_owner_leaves_nothing_behind(how: signal.Signals, open_folder: Path) -> None:
    owner, process_id, folder = run_server_in("time.sleep(60)", open_folder)
    with owner:
        owner.send_signal(how)
    wait_until_gone(process_id, folder)
    assert list(open_folder.iterdir()) == []
    assert process_id not in read_makers_of_shared_memory()


def test_an_owner_that_forgets_to_stop_leaves_nothing_behind(open_folder: Path) -> None:
    owner, process_id, folder = run_server_in("", open_folder)
    with owner:
        assert owner.wait(60) == 0
    wait_until_gone(process_id, folder)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_killed_guard_takes_the_server_along() -> None:
    with EmbeddedPostgres() as server:
        assert server._guard is not None
        (postgres,) = psutil.Process(server._guard.pid).children()
        server._guard.kill()
        postgres.wait(20)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url())


needs_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="about root")


@needs_root
def test_root_needs_no_new_user_and_opens_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # where useradd is not
    users = Path("/etc/passwd").read_bytes()
    binaries = postgres_account.find_binaries()
    modes = [folder.stat().st_mode for folder in (binaries, *binaries.parents)]
    with EmbeddedPostgres() as server:
        assert server._guard is not None
        (postgres,) = psutil.Process(server._guard.pid).children()
        assert postgres.uids().effective == pwd.getpwnam("nobody").pw_uid
    assert Path("/etc/passwd").read_bytes() == users
    assert [folder.stat().st_mode for folder in (binaries, *binaries.parents)] == modes


@needs_root
def test_programs_that_only_root_may_read_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    installed = postgres_account.find_binaries()
    package = tmp_path / installed.parents[1].name
    shutil.copytree(installed.parent, package / installed.parent.name)
    shutil.copytree(installed.parents[2] / f"{package.name}.libs", tmp_path / f"{package.name}.libs")
    monkeypatch.setattr(postgres_account, "find_binaries", lambda: package / installed.parent.name / "bin")
    with EmbeddedPostgres() as server:
        assert server._place is not None and server._place.account.way == "user"
        assert query(server.url(), "SELECT 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces are Linux's")
def test_a_user_that_etc_passwd_does_not_know_runs_it_in_a_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system allows no user namespaces")

    def forget(user_id: int) -> pwd.struct_passwd:
        raise KeyError(user_id)

    monkeypatch.setattr(pwd, "getpwuid", forget)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with EmbeddedPostgres(tmp_path) as server:
        assert server._place is not None and server._place.account.way == "namespace"
        assert query(server.url(), "SELECT 1") == 1


@pytest.mark.skipif(os.name == "nt", reason="about POSIX users")
def test_it_says_why_it_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_root = [entry for entry in pwd.getpwall() if entry.pw_uid == 0]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with monkeypatch.context() as patched:
        patched.setattr(pwd, "getpwall", lambda: only_root)
        with pytest.raises(TargetError, match="has no user but root, as which PostgreSQL refuses to run"):
            EmbeddedPostgres().start()
    with monkeypatch.context() as patched:
        patched.setattr(postgres_account, "_list_temporary_bases", lambda: [tmp_path / "gone"])
        with pytest.raises(TargetError, match=r"gone cannot be used \(No such file or directory\)"):
            EmbeddedPostgres().start()


def test_variables_of_a_client_and_of_a_locale_do_not_steer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = {
        "PGPORT": "1",
        "PGDATA": "/nonexistent",
        "LANG": "xx_YY.UTF-8",
        "LC_ALL": "xx_YY",
        "TZ": "No/Where",
    }
    for name, value in (strange | {"HOME": "/nonexistent"}).items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres() as server:
        assert query(server.url(), "SHOW port") == str(server.port)


@pytest.mark.parametrize("room, expected", [(64 << 20, "mmap"), (1 << 30, "posix"), (None, "mmap")])
@pytest.mark.skipif(sys.platform != "linux", reason="/dev/shm is Linux's")
def test_a_small_or_absent_dev_shm_is_not_relied_upon(
    room: int | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(path: str) -> os.statvfs_result:
        if room is None:
            raise FileNotFoundError(path)
        return os.statvfs_result((4096, 4096, room, room >> 12, room >> 12, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", answer)
    with EmbeddedPostgres() as server:
        assert query(server.url(), "SHOW dynamic_shared_memory_type") == expected


def read_makers_of_shared_memory() -> set[int]:
    """Read the processes that made a System V segment which is still there: PostgreSQL has one each."""
    table = Path("/proc/sysvipc/shm")
    lines = table.read_text().splitlines() if table.exists() else [""]
    at = lines[0].split().index("cpid") if lines[0] else 0
    return {int(line.split()[at]) for line in lines[1:]}
