"""The wheel alone, in an empty folder: what it prints works as printed, what it points to is there."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import blb_migration
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain
from blb_migration_tests.cli.servers import int32s

TOP = Path(blb_migration.__file__).parent.parent
ODD_FOLDER = "-Größe 'n' \"$HOME\" \\"
START_TIMEOUT_SECONDS = 120

pytestmark = pytest.mark.skipif(os.name == "nt", reason="runs printed commands in a POSIX shell")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an environment that has the wheel, and what the lock names, but not the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=TOP, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    environment, uv = (
        folder / "environment",
        [sys.executable, "-m", "uv", "--quiet", "--offline", "--no-cache"],
    )
    subprocess.run([*uv, "venv", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([*uv, "pip", "install", "--no-deps", "--python", str(python), str(wheel)], check=True)
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([python, "-c", find], check=True, capture_output=True, text=True)
    # A line in a .pth file adds a folder, but not the .pth files in it: the clone stays out.
    (Path(found.stdout.strip()) / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


class Person:
    """Somebody at a shell in some folder, with the databases' URLs in the environment."""

    def __init__(self, chain: Chain, folder: Path, home: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BLB_", "DAGSTER_", "PYTHONPATH", "VIRTUAL_ENV"))
        } | {"BLB_SOURCE_CONN": chain.source_url, "BLB_TARGET_CONN": chain.target_url, "HOME": str(home)}

    def run(self, line: str) -> str:
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def serving(self, line: str) -> Iterator[int]:
        """Start the server of the line on a free port; press Ctrl-C at the end."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        with subprocess.Popen(
            ["sh", "-c", f"exec env {line} --port {port}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                _await(port, process)
                yield port
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.communicate(timeout=30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError(process.communicate()[0].decode())


def read_asset_names(port: int) -> set[str]:
    query = {"query": "{ assetNodes { assetKey { path } } }"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        nodes: list[dict[str, Any]] = json.load(answer)["data"]["assetNodes"]
    return {"/".join(node["assetKey"]["path"]) for node in nodes}


@pytest.fixture
def person(new_chain: Callable[..., Chain], tmp_path: Path) -> Person:
    chain = new_chain()
    chain.database.create_table(table("spools", "id int not null", "name nvarchar(40)"))
    chain.database.load("dbo.spools", _spools())
    (tmp_path / "elsewhere").mkdir()
    return Person(chain, tmp_path / "elsewhere", tmp_path)


def _spools() -> Any:
    import pyarrow as pa

    return pa.table({"id": int32s(1, 2), "name": ["PLA weiß", "ABS"]})


def test_what_init_prints_works_as_printed(installed: Path, person: Person) -> None:
    project = person.folder.parent / ODD_FOLDER
    blb_migrate = f"{shlex.quote(str(installed))} -m blb_migration"
    printed = person.run(f"{blb_migrate} init {shlex.quote(str(project))}")
    assert "Set BLB_" not in printed  # both are set
    commands = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
    schema, migrate, ui, dagster_dev = commands
    assert "Created 1 tables" in person.run(schema)
    assert "all 1 table (2 rows), by every metric compared" in person.run(migrate)
    for line in (ui, dagster_dev):
        with person.serving(line) as port:
            assert "spools" in {name.rpartition("/")[2] for name in read_asset_names(port)}


def test_documents_are_in_the_wheel(installed: Path, person: Person) -> None:
    blb_migrate = f"{shlex.quote(str(installed))} -m blb_migration"
    where = person.run(
        f"{shlex.quote(str(installed))} -c 'import blb_migration; print(blb_migration.__file__)'"
    )
    assert where.startswith(str(installed.parent.parent))
    listed = person.run(f"{blb_migrate} docs").splitlines()
    in_the_clone = {
        path.relative_to(TOP / "docs").as_posix().removesuffix(".md")
        for path in (TOP / "docs").rglob("*")
        if path.is_file()
    }
    assert {line.split()[0] for line in listed} == in_the_clone | {"dagster.yaml", "workspace.yaml"}
    decisions = (TOP / "docs" / "decisions.md").read_text(encoding="utf-8")
    assert person.run(f"{blb_migrate} docs decisions") == decisions
