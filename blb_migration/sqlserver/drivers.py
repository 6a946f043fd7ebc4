"""Which of the two drivers that mssql-python carries is loaded, and what to say when none can be.

mssql-python has two native providers: Microsoft's ODBC Driver 18, and ``mssql-odbc``, written in Rust.
A process loads one of them, once. The system's loader decides which can be loaded; the driver's own
sentence about it names neither library nor cure. No connection is opened here.

Sources: ``mssql_python.odbc_provider`` for the providers; their wheels' ELF headers for what they need.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from blb_migration.errors import ConfigurationError
from blb_migration.missing_libraries import build_install_advice, find_absent, name_library
from blb_migration.settings.odbc import MICROSOFT_DRIVER, NATIVE_DRIVERS, RUST_DRIVER
from blb_migration.settings.variables import SourceVariables, name_variable

PROVIDER_VARIABLE = (
    "MSSQL_PYTHON_NATIVE_PROVIDER"  # mssql-python's own; it outranks what is set in the process
)

_TITLES = {MICROSOFT_DRIVER: "Microsoft ODBC Driver 18", RUST_DRIVER: "mssql-odbc"}
_DISTRIBUTIONS = {MICROSOFT_DRIVER: "mssql-python-odbc", RUST_DRIVER: "mssql-python-rs"}
# What the glibc builds need besides what every Python needs. The loader names only the first that is missing.
_LIBRARIES = {
    MICROSOFT_DRIVER: ("libltdl.so.7", "libkrb5.so.3", "libgssapi_krb5.so.2"),
    RUST_DRIVER: ("libssl.so.3",),
}
_PREFERENCE = (MICROSOFT_DRIVER, RUST_DRIVER)

_lock = threading.Lock()
_loaded: LoadedDriver | None = None


@dataclass(frozen=True)
class LoadedDriver:
    """The driver this process reads through. ``reason`` says why this one, in words."""

    name: str
    version: str
    reason: str

    def __str__(self) -> str:
        return f"{_TITLES[self.name]} {self.version}, {self.reason}"


def load_driver(named_in_url: str | None, needs_microsoft: str | None = None) -> LoadedDriver:
    """Load the driver that URL or environment name; else the preferred one that this system can load.

    ``needs_microsoft`` is the URL's option, if it has one, that only Microsoft's driver knows. Raises
    ConfigurationError: for a library that is missing, with the command that brings it; for wishes that
    contradict each other, or what is loaded already.
    """
    global _loaded  # noqa: PLW0603 - mssql-python's choice is one a process, too
    with _lock:
        if _loaded is None:
            _loaded = _load(named_in_url, needs_microsoft)
    if needs_microsoft and _loaded.name != MICROSOFT_DRIVER:
        raise ConfigurationError(
            "source URL",
            found=f"has {needs_microsoft}, which {_TITLES[_loaded.name]} does not know "
            f"({_loaded.reason}: that driver is in use)",
            expected=f"{MICROSOFT_DRIVER} to be the driver",
            next_act=f"Name {MICROSOFT_DRIVER} where a driver is named, or log in another way",
        )
    if named_in_url not in (None, _loaded.name):
        raise ConfigurationError(
            "source URL",
            found=f"asks for the driver {named_in_url}, but this process has loaded {_loaded.name}",
            expected="one driver in a process",
            next_act="Name the same driver in every source URL",
        )
    return _loaded


def _load(named_in_url: str | None, needs_microsoft: str | None) -> LoadedDriver:
    named, origin = _read_named_driver(named_in_url)
    if named is None and needs_microsoft:
        named, origin = MICROSOFT_DRIVER, f"the source URL's {needs_microsoft}"
    candidates = (named,) if named else _PREFERENCE
    failures: dict[str, str] = {}
    for driver in candidates:
        failure = _try_to_load(driver)
        if failure is None:
            return LoadedDriver(driver, metadata.version(_DISTRIBUTIONS[driver]), _explain(origin, failures))
        failures[driver] = failure
    raise _build_failure(failures, origin)


def _read_named_driver(named_in_url: str | None) -> tuple[str | None, str | None]:
    """Read the driver that somebody insists on, and where they do."""
    provider = os.environ.get(PROVIDER_VARIABLE, "").strip().lower()
    if provider and provider not in NATIVE_DRIVERS:
        raise ConfigurationError(
            PROVIDER_VARIABLE,
            found=f"names the driver {provider!r}, which is not known",
            expected=" or ".join(NATIVE_DRIVERS),
            next_act=f"Correct {PROVIDER_VARIABLE}, or unset it",
        )
    wishes = (
        (named_in_url, "the source URL"),
        (SourceVariables.read().source_driver, name_variable("source_driver")),
        (provider, PROVIDER_VARIABLE),
    )
    named = [(driver, origin) for driver, origin in wishes if driver]
    if not named:
        return None, None
    driver, origin = named[0]
    for other, where in named:
        if where == PROVIDER_VARIABLE and other != driver:
            raise ConfigurationError(
                PROVIDER_VARIABLE,
                found=f"names the driver {other}, {origin} names {driver}",
                expected="the same driver",
                next_act=f"Unset {PROVIDER_VARIABLE}",
            )
    return driver, origin


def _explain(origin: str | None, failures: Mapping[str, str]) -> str:
    if origin:
        return f"named by {origin}"
    if failures:
        ((other, failure),) = failures.items()
        return f"since {_TITLES[other]} cannot be loaded ({failure})"
    return "the default"


def _try_to_load(driver: str) -> str | None:
    """None when the driver is loaded, and mssql-python told to use it; else why it cannot be."""
    try:
        import mssql_python

        mssql_python.native_provider = driver  # type: ignore[attr-defined]  # a property of the module
        path = mssql_python.get_native_provider_info()["driver_path"]
        if path is None:  # the package's own import failed, which that call hides
            __import__(mssql_python.odbc_provider.ProviderManager.package_name(driver))
            return f"{_DISTRIBUTIONS[driver]} has no build for this system"
        ctypes.CDLL(path)
    except (ImportError, OSError) as error:
        return str(error)
    return None


def _build_failure(failures: Mapping[str, str], origin: str | None) -> ConfigurationError:
    causes = []
    missing: list[str] = []
    for driver, failure in failures.items():
        library = name_library(failure)
        causes.append(f"{_TITLES[driver]} needs {library}" if library else f"{_TITLES[driver]}: {failure}")
        libraries = [library] if library else []
        if not missing:
            missing = list(dict.fromkeys([*libraries, *find_absent(_LIBRARIES[driver])]))
    subject = f"the driver that {origin} names" if origin else "the drivers for SQL Server"
    return ConfigurationError(
        subject,
        found=f"cannot be loaded on this machine ({'; '.join(causes)})",
        next_act=build_install_advice(missing),
    )
