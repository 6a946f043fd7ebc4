"""A clone in small: the real bootstrap, one tiny package in its lock, and the real uv in a private index."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from blb_migration.bootstrap.uv import read_pin
from blb_migration_tests.bootstrap.private_index import PrivateIndex

TOP = Path(__file__).resolve().parents[2]
BASE_PYTHON = str(getattr(sys, "_base_executable", None) or sys.executable)
TINY = "tiny-1.0-py3-none-any.whl"
BACKEND = """
import base64, pathlib, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "blb_migration-0.1.0-py3-none-any.whl"
    info = "blb_migration-0.1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("blb_migration.pth", str(pathlib.Path.cwd()))
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: blb_migration\\nVersion: 0.1.0\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "blb_migration"
version = "0.1.0"
dependencies = ["tiny"]
[project.optional-dependencies]
sandbox = []
dev = []
"""


@dataclass
class SmallClone:
    """``run`` starts its first command with nothing in the environment but what is given."""

    folder: Path
    index: PrivateIndex
    settings: dict[str, str] = field(default_factory=dict)

    def start(self, **settings: str) -> subprocess.Popen[str]:
        environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": str(self.folder.parent)}
        if os.name == "nt":
            environ |= {"SYSTEMROOT": os.environ["SYSTEMROOT"]}
        return subprocess.Popen(
            [BASE_PYTHON, "-m", "blb_migration", "an argument"],
            cwd=self.folder,
            env=environ | self.settings | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **settings: str) -> subprocess.CompletedProcess[str]:
        with self.start(**settings) as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess("", process.returncode, stdout, stderr)


def build_wheel(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return content.getvalue()


@pytest.fixture(scope="session")
def uv_wheel() -> bytes:
    program = Path(sys.prefix, "Scripts/uv.exe" if os.name == "nt" else "bin/uv")
    version, _ = read_pin(TOP / "requirements.lock", "uv")
    return build_wheel({f"uv-{version}.data/scripts/{program.name}": program.read_bytes()})


@pytest.fixture
def index(tmp_path: Path, uv_wheel: bytes) -> Iterator[PrivateIndex]:
    info = "tiny-1.0.dist-info"
    tiny = build_wheel(
        {
            "tiny.py": b"",
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"tiny.py,,\n",
        }
    )
    version, _ = read_pin(TOP / "requirements.lock", "uv")
    tags = "manylinux_2_17_x86_64.musllinux_1_1_x86_64.manylinux_2_17_aarch64.macosx_11_0_arm64.win_amd64"
    index = PrivateIndex(tmp_path)
    index.files = {"uv": {f"uv-{version}-py3-none-{tags}.whl": uv_wheel}, "tiny": {TINY: tiny}}
    yield index
    index.stop()


@pytest.fixture
def clone(tmp_path: Path, index: PrivateIndex) -> SmallClone:
    folder = tmp_path / "a clone für uns"
    package = folder / "blb_migration"
    package.mkdir(parents=True)
    for name in ("__init__.py", "__main__.py", "missing_libraries.py"):
        shutil.copy(TOP / "blb_migration" / name, package)
    shutil.copytree(TOP / "blb_migration" / "bootstrap", package / "bootstrap")
    (package / "cli").mkdir()
    (package / "cli" / "__init__.py").touch()
    (package / "cli" / "main.py").write_text(
        "import sys, tiny\n\ndef main():\n    print(sys.prefix, sys.argv[1:])\n    return 7\n"
    )
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(PROJECT)
    version, _ = read_pin(TOP / "requirements.lock", "uv")
    lines = [f"tiny==1.0 \\\n    --hash=sha256:{hashlib.sha256(index.files['tiny'][TINY]).hexdigest()}"]
    for content in index.files["uv"].values():
        # uv stands in the lock like any package; here for no machine, so that its 50 MB are fetched once.
        digest = hashlib.sha256(content).hexdigest()
        lines.append(f"uv=={version} ; sys_platform == 'none' \\\n    --hash=sha256:{digest}")
    (folder / "requirements.lock").write_text("\n".join(lines) + "\n")
    return SmallClone(folder, index, {"PIP_INDEX_URL": index.url(), "PIP_CERT": str(index.certificate)})
