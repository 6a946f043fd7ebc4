"""What the system's loader says when a library is missing, and the command that brings it on this system.

Knows no driver: only names of libraries, and the packages of Linux distributions that hold them. Standard
library only: the first command in a bare clone asks it as well.
"""

from __future__ import annotations

import ctypes
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

# glibc: "libx.so.1: cannot open …", "/path/libx.so.1: file too short";
# musl: "Error loading shared library libx.so.1: …"; macOS: "Library not loaded: /path/libx.1.dylib".
_LIBRARY = re.compile(r"(?:^|[\s/'\"])(lib[\w+.-]+?\.(?:so(?:\.\d+)*|\d*\.?dylib))(?=[:\s'\"]|$)")
_OS_RELEASE = Path("/etc/os-release")

_DEBIAN = {
    "libltdl": "libltdl7",
    "libkrb5": "libkrb5-3",
    "libgssapi_krb5": "libgssapi-krb5-2",
    "libssl": "libssl3",
    "libcrypto": "libssl3",
    "libstdc++": "libstdc++6",
    "libgcc_s": "libgcc-s1",
}
_RED_HAT = {
    "libltdl": "libtool-ltdl",
    "libkrb5": "krb5-libs",
    "libgssapi_krb5": "krb5-libs",
    "libssl": "openssl-libs",
    "libcrypto": "openssl-libs",
    "libstdc++": "libstdc++",
    "libgcc_s": "libgcc",
}
_SUSE = {
    "libltdl": "libltdl7",
    "libkrb5": "krb5",
    "libgssapi_krb5": "krb5",
    "libssl": "libopenssl3",
    "libcrypto": "libopenssl3",
    "libstdc++": "libstdc++6",
    "libgcc_s": "libgcc_s1",
}
_ALPINE = {
    "libltdl": "libltdl",
    "libkrb5": "krb5-libs",
    "libgssapi_krb5": "krb5-libs",
    "libssl": "libssl3",
    "libcrypto": "libcrypto3",
    "libstdc++": "libstdc++",
    "libgcc_s": "libgcc",
}
# The system's ID, or one of those that it says it is like -> the command, and its packages by library.
_SYSTEMS = {
    "debian": ("apt-get install", _DEBIAN),
    "ubuntu": ("apt-get install", _DEBIAN),
    "fedora": ("dnf install", _RED_HAT),
    "rhel": ("dnf install", _RED_HAT),
    "centos": ("dnf install", _RED_HAT),
    "amzn": ("dnf install", _RED_HAT),
    "suse": ("zypper install", _SUSE),
    "opensuse": ("zypper install", _SUSE),
    "sles": ("zypper install", _SUSE),
    "alpine": ("apk add", _ALPINE),
}


def name_library(failure: str) -> str | None:
    """Return the library that the loader did not find, or could not use, by its file name.

    None when the library is there and only too old or too new: no package mends that.
    """
    if re.search(r"version `[^']+' not found|symbol not found|undefined symbol", failure):
        return None
    match = _LIBRARY.search(failure)
    return match[1] if match else None


def find_absent(libraries: Iterable[str]) -> list[str]:
    """Those of the libraries that this system's loader cannot load. None where they are named otherwise."""
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return []
    return [library for library in libraries if not _can_be_loaded(library)]


def build_install_advice(libraries: Sequence[str], os_release: Path = _OS_RELEASE) -> str:
    """Build the command that brings the libraries on this system, as an imperative sentence."""
    if platform.system() == "Windows":
        return (
            "Install the Microsoft Visual C++ Redistributable; if that is there, "
            "`pip install --force-reinstall mssql-python mssql-python-odbc mssql-python-rs`"
        )
    if platform.system() != "Linux" or not libraries:
        return "Reinstall it: `pip install --force-reinstall mssql-python mssql-python-odbc mssql-python-rs`"
    command, packages = _read_system(os_release)
    names = dict.fromkeys(packages.get(library.split(".so")[0]) for library in libraries)
    if not command or None in names:
        return f"Install the package of this system that holds {' and '.join(libraries)}, then run again"
    return f"Run `{command} {' '.join(map(str, names))}`, then run again"


def _read_system(os_release: Path) -> tuple[str, dict[str, str]]:
    try:
        lines = os_release.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "", {}
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    for key in ("ID", "ID_LIKE"):
        for name in fields.get(key, "").strip("\"'").split():
            if (found := _SYSTEMS.get(name) or _SYSTEMS.get(name.split("-")[0])) is not None:
                return found
    return "", {}


def _can_be_loaded(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
