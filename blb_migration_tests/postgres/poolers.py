"""Poolers before the embedded PostgreSQL: a real PgBouncer where one is to be had, and a scripted one."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg.conninfo import conninfo_to_dict

_PACKAGES = (
    "pgbouncer",
    *("libevent-2.1-7", "libevent-2.1-7t64"),
    *("libc-ares2", "libcares2", "libcares2t64"),
)
_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_START_SECONDS = 10


@cache
def _find_pgbouncer() -> tuple[str, str] | None:
    """Find the program and the folder of its libraries: the machine's, else Debian's packages unpacked
    aside."""
    installed = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if installed:
        return installed, ""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    folder = Path(tempfile.mkdtemp(prefix="blb-pgbouncer-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for package in _PACKAGES:
        with suppress(subprocess.SubprocessError):
            subprocess.run(
                ["apt-get", "-qq", "-o", "Acquire::http::Timeout=10", "download", package],
                cwd=folder, capture_output=True, timeout=60, check=False,
            )  # fmt: skip
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=False, capture_output=True)
    libraries = ":".join(str(path) for path in folder.glob("usr/lib/*-linux-gnu"))
    return str(folder / "usr/sbin/pgbouncer"), libraries


@contextmanager
def running_pgbouncer(server_url: str, mode: str, **settings: str) -> Iterator[str]:
    """Yield the URL of ``server_url``'s database behind a PgBouncer in ``mode``; skips where there is
    none."""
    found = _find_pgbouncer()
    environment = dict(os.environ, LD_LIBRARY_PATH=found[1] if found else "")
    try:
        subprocess.run(
            [found[0] if found else "", "--version"], env=environment, capture_output=True, check=True
        )
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no PgBouncer here: neither installed nor to be had with apt-get download")
    assert found is not None
    server = conninfo_to_dict(server_url)
    folder = Path(tempfile.mkdtemp(prefix="blb-pgbouncer-run-"))
    port = _find_free_port()
    lines = {
        **{"listen_addr": "127.0.0.1", "listen_port": str(port), "unix_socket_dir": "", "auth_type": "any"},
        **({"user": "nobody"} if os.geteuid() == 0 else {}),
        **{"pool_mode": mode, "default_pool_size": "10"},
        **settings,
    }
    database = "* = " + " ".join(f"{key}={server[key]}" for key in ("host", "port", "user", "password"))
    text = f"[databases]\n{database}\n[pgbouncer]\n" + "".join(f"{key} = {lines[key]}\n" for key in lines)
    (folder / "pgbouncer.ini").write_text(text, encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [found[0], str(folder / "pgbouncer.ini")], env=environment, stderr=log, stdout=log
        )
    try:
        _wait_for(port, process, folder / "log")
        yield f"postgresql://anybody@127.0.0.1:{port}/{quote(str(server['dbname']))}"
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(folder)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"PgBouncer did not start: {log.read_text(errors='replace')}")


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def scripted_pooler(server_url: str, pause_seconds: float = 0.0) -> Iterator[str]:
    """Yield the URL of a pooler in session mode: takes no ``options``, and names a process of its own
    invention. Waits ``pause_seconds`` before it hands on each row of an answer."""
    server = conninfo_to_dict(server_url)
    listener = socket.create_server(("127.0.0.1", 0))
    address = (str(server["host"]), int(str(server["port"])))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(
                    target=_serve_client, args=(client, address, pause_seconds), daemon=True
                ).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        login = f"{server['user']}:{server['password']}"
        yield f"postgresql://{login}@127.0.0.1:{listener.getsockname()[1]}/{quote(str(server['dbname']))}"
    finally:
        listener.close()


def _serve_client(client: socket.socket, address: tuple[str, int], pause_seconds: float) -> None:
    with suppress(OSError, EOFError), client:
        while True:
            packet = _read(client, struct.unpack("!I", _read(client, 4))[0] - 4)
            if struct.unpack("!I", packet[:4])[0] not in (_SSL_REQUEST, _GSS_REQUEST):
                break
            client.sendall(b"N")
        if b"options" in packet[4:].split(b"\0")[::2]:
            fields = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            client.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
            return
        with socket.create_connection(address) as server:
            server.sendall(struct.pack("!I", len(packet) + 4) + packet)
            threading.Thread(target=_forward, args=(client, server), daemon=True).start()
            while True:
                head = _read(server, 5)
                body = _read(server, struct.unpack("!I", head[1:])[0] - 4)
                if head[:1] == b"D":
                    time.sleep(pause_seconds)
                if head[:1] == b"K":
                    body = struct.pack("!I", 4_000_001) + body[4:]
                client.sendall(head + body)


def _forward(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while data := client.recv(65536):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)


def _read(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = link.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data
