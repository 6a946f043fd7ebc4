"""The pinned installer: which wheel of uv this machine takes, how it is fetched, what it is asked to do.

uv is one program without needs: no pip, no ensurepip, no venv module, no compiler. Its version and the
hashes of its wheels stand in ``requirements.lock`` like every other package's.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import struct
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blb_migration.bootstrap.index import IndexSettings, fetch, find_file, mask
from blb_migration.bootstrap.messages import CannotInstallError, follow_bytes, say

_MUSL_VERSION = (1, 2)  # every musl since 2020; wheels ask for 1.1 at most
# How uv reaches an index and where it keeps what it fetched.
_KEPT_VARIABLES = tuple(
    f"UV_{name}"
    for name in (
        *("CACHE_DIR", "NO_CACHE", "LINK_MODE", "OFFLINE", "CONFIG_FILE", "NO_CONFIG", "CONCURRENT", "HTTP"),
        *("DEFAULT_INDEX", "INDEX", "EXTRA_INDEX_URL", "FIND_LINKS", "KEYRING_PROVIDER", "REQUEST_TIMEOUT"),
        *("INSECURE_HOST", "NATIVE_TLS", "SYSTEM_CERTS"),
    )
)
_SIZE = re.compile(r"^Downloading .* \(([\d.]+)(KiB|MiB|GiB)\)$")
_UNITS = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}


@dataclass(frozen=True)
class Machine:
    """What decides which wheel fits: ``libc`` is glibc, musl or empty, ``version`` the libc's or macOS's."""

    system: str  # linux, macosx, win
    architecture: str  # as wheels spell it: x86_64, aarch64, armv7l, arm64, amd64, …
    libc: str = ""
    version: tuple[int, int] = (0, 0)


def describe_machine() -> Machine:
    """Look at the running Python's platform, not the kernel's: a 32-bit Python needs 32-bit wheels."""
    if os.name == "nt":
        return Machine("win", sysconfig.get_platform().removeprefix("win-").replace("-", "_"))
    architecture = platform.machine().lower()
    if sys.platform == "darwin":
        major, minor, *_ = [*platform.mac_ver()[0].split("."), "0"]
        return Machine("macosx", architecture, version=(int(major), int(minor)))
    if struct.calcsize("P") == 4:
        architecture = {"x86_64": "i686", "aarch64": "armv7l", "armv8l": "armv7l"}.get(
            architecture, architecture
        )
    architecture = {"amd64": "x86_64", "arm64": "aarch64"}.get(architecture, architecture)
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        name, version = "", ""
    if name != "glibc":
        return Machine("linux", architecture, "musl", _MUSL_VERSION)
    major, minor = version.split(".")[:2]
    return Machine("linux", architecture, "glibc", (int(major), int(minor)))


def is_wheel_for(machine: Machine, name: str) -> bool:
    """Whether a wheel that any Python may use fits this machine, by its name's platform tags (PEP 425)."""
    if not name.endswith(".whl"):
        return False
    return any(_fits(machine, tag) for tag in name.removesuffix(".whl").rpartition("-")[2].split("."))


def _fits(machine: Machine, tag: str) -> bool:
    if machine.system == "win":
        return tag == ("win32" if machine.architecture == "win32" else f"win_{machine.architecture}")
    tag = re.sub("^manylinux2014_", "manylinux_2_17_", tag)
    found = re.match(r"(manylinux|musllinux|macosx)_(\d+)_(\d+)_(.+)$", tag)
    if found is None:
        return machine.system == "linux" and tag == f"linux_{machine.architecture}"
    kind, major, minor, architecture = found.groups()
    own = {"glibc": "manylinux", "musl": "musllinux"}.get(machine.libc, machine.system)
    return (
        kind == own and architecture == machine.architecture and (int(major), int(minor)) <= machine.version
    )


def read_pin(lock: Path, package: str) -> tuple[str, set[str]]:
    """Return a package's version and the SHA-256 digests of its files, as the lock names them."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{package}=="))
    version = lines[start].partition("==")[2].split()[0]
    digests: set[str] = set()
    for line in lines[start + 1 :]:
        if not line.lstrip().startswith("--hash=sha256:"):
            break
        digests.add(line.strip().rstrip("\\ ").removeprefix("--hash=sha256:"))
    return version, digests


def fetch_uv(settings: IndexSettings, lock: Path, folder: Path) -> Path:
    """Fetch the locked uv for this machine, compare its hash, unpack it; return the program's path.

    Raises CannotInstallError; NoSuchFileError where no index has a wheel for this machine.
    """
    version, digests = read_pin(lock, "uv")
    machine = describe_machine()
    name, address = find_file(
        settings, "uv", lambda name: name.startswith(f"uv-{version}-") and is_wheel_for(machine, name)
    )
    content = fetch(
        address, settings, lambda _, total: follow_bytes(f"fetching the installer uv {version}", total)
    )
    if hashlib.sha256(content).hexdigest() not in digests:
        raise CannotInstallError(
            f"{name} from {mask(address)} is not the file that requirements.lock names (its SHA-256 differs);"
            " set PIP_INDEX_URL to an index that serves the published files."
        )
    program = folder / ("uv.exe" if os.name == "nt" else "uv")
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        member = next(member for member in wheel.namelist() if member.endswith(f"/scripts/{program.name}"))
        program.write_bytes(wheel.read(member))
    program.chmod(0o755)
    return program


def build_uv_environment(environ: Mapping[str, str], settings: IndexSettings) -> dict[str, str]:
    """Return the environment that tells uv what pip's configuration says; it does not read pip's itself.

    In the environment rather than in arguments, so that a password in an address is in no process list.
    """
    told = {name: text for name, text in environ.items() if _concerns_uv(name)}
    told["UV_PYTHON_DOWNLOADS"] = "never"
    if settings.url:
        told["UV_DEFAULT_INDEX"] = settings.url
    if settings.extra_urls:
        told["UV_INDEX"] = " ".join(settings.extra_urls)
        # As pip does: the locked file may lie in any of them. The hash says that it is the right one.
        told.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if settings.find_links:
        told["UV_FIND_LINKS"] = ",".join(settings.find_links)
    if settings.no_index:
        told["UV_NO_INDEX"] = "1"
    if settings.certificate:
        told["SSL_CERT_DIR" if Path(settings.certificate).is_dir() else "SSL_CERT_FILE"] = (
            settings.certificate
        )
    else:
        told.setdefault("UV_SYSTEM_CERTS", "1")
    if settings.proxy:
        told["HTTP_PROXY"] = told["HTTPS_PROXY"] = told["ALL_PROXY"] = settings.proxy
    if settings.trusted_hosts:
        told["UV_INSECURE_HOST"] = " ".join(settings.trusted_hosts)
    told.setdefault("UV_HTTP_TIMEOUT", f"{max(settings.timeout_seconds, 30):.0f}")
    return told


def _concerns_uv(name: str) -> bool:
    """Whether a variable may reach uv: not those that say what to install, where, or for which Python."""
    if name in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH"):
        return False
    return not name.startswith("UV_") or name.startswith(_KEPT_VARIABLES)


def run_uv(uv: Path, arguments: list[str], environ: Mapping[str, str], lock_file: int) -> str | None:
    """Run uv, showing how far it is; return None, or what it said when it failed.

    Its child inherits the installation's lock, so that nobody begins anew while one whose parent was
    killed still writes.
    """
    command = [str(uv), *arguments]
    inherited = () if os.name == "nt" else (lock_file,)
    if sys.stderr.isatty():  # uv draws its own bars
        done = subprocess.run(
            command, env=dict(environ), stdin=subprocess.DEVNULL, pass_fds=inherited, check=False
        )
        return None if done.returncode == 0 else "see above"
    with subprocess.Popen(
        [*command, "--no-progress"],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=inherited,
    ) as process:
        assert process.stderr is not None
        said, megabytes = [], 0.0
        for line in process.stderr:
            text = line.rstrip()
            said.append(text)
            if found := _SIZE.match(text):
                megabytes += float(found[1]) * _UNITS[found[2]]
            elif text.startswith(("Resolved", "Prepared", "Installed")):
                say(
                    f"{text[:1].lower()}{text[1:]}"
                    + (f", {megabytes:.0f} MB" if text.startswith("Prep") else "")
                )
    return None if process.returncode == 0 else "\n".join(said[-12:])
