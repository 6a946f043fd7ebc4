"""The target's settings: a PostgreSQL URL, made into libpq's keywords, for psycopg 3 and for psycopg2
alike."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import NoReturn

from blb_migration.errors import ConfigurationError
from blb_migration.settings.urls import (
    DatabaseIdentity,
    UrlParts,
    mask_url,
    name_option,
    normalise_host,
    split_url,
)

EXAMPLE = "postgresql://user:password@host:5432/database"
DEFAULT_PORT = 5432
DEFAULT_CONNECT_TIMEOUT_SECONDS = 10
APPLICATION_NAME = "blb-migrate"
_URL_DRIVERS = ("psycopg", "psycopg2", "psycopg2cffi", "asyncpg", "pg8000")
_SECRET_OPTIONS = ("password", "sslpassword")


@dataclass(frozen=True)
class TargetSettings:
    """One PostgreSQL database and how to log in to it.

    ``host`` may be a socket folder or several hosts joined by commas, with as many ``port`` numbers; None
    leaves both to libpq. ``options`` are further libpq keywords; ``secrets`` those that must not be
    shown.
    """

    database: str
    host: str | None = None
    port: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def connect_arguments(self) -> dict[str, str]:
        """libpq's keywords, for ``connect(**…)`` of psycopg 3 and psycopg2. They hold the password.

        The session's time zone is UTC and its encoding UTF-8 whatever the URL says: binary COPY and the
        comparison of moments stand on it.
        """
        arguments = {
            "application_name": APPLICATION_NAME,
            "connect_timeout": str(DEFAULT_CONNECT_TIMEOUT_SECONDS),
            **dict(self.options),
            **dict(self.secrets),
            "dbname": self.database,
            "client_encoding": "UTF8",
        }
        arguments["options"] = f"{arguments.get('options', '')} -c TimeZone=UTC".strip()
        given = {"host": self.host, "port": self.port, "user": self.username, "password": self.password}
        return arguments | {keyword: value for keyword, value in given.items() if value}

    @property
    def conninfo(self) -> str:
        """The same as one connection string. It holds the password: never log it."""
        return " ".join(
            "{}='{}'".format(keyword, value.replace("\\", "\\\\").replace("'", "\\'"))
            for keyword, value in self.connect_arguments.items()
        )

    @property
    def masked_url(self) -> str:
        """The target for messages: no password and no options."""
        login = ""
        if self.username:
            login = f"{self.username}:***@" if self.password else f"{self.username}@"
        return f"postgresql://{login}{self.host or ''}{f':{self.port}' if self.port else ''}/{self.database}"

    @property
    def identity(self) -> DatabaseIdentity:
        """Which database this is; of several hosts the first, a socket folder being this machine."""
        host = (self.host or "localhost").split(",")[0]
        port = (self.port or "").split(",")[0]
        is_socket = host.startswith(("/", "@"))
        return DatabaseIdentity(
            "localhost" if is_socket else normalise_host(host),
            int(port) if port.isdigit() else DEFAULT_PORT,
            self.database,
        )


def parse_target_url(text: str) -> TargetSettings:
    """Read a target URL. Raises ConfigurationError, never repeating a password, when it cannot be used."""
    parts = split_url(text, "target", EXAMPLE)
    subject = f"target URL {mask_url(text)}"
    if parts.backend == "mssql":
        raise ConfigurationError(
            subject,
            found="names a SQL Server database as the target",
            expected="SQL Server as the source and PostgreSQL as the target",
            next_act="Swap the two URLs (--source-conn takes mssql…, --target-conn takes postgresql…); "
            "they must not be the same database",
        )
    if parts.backend not in ("postgresql", "postgres"):
        _refuse(subject, f"names {parts.backend}", f"a URL like {EXAMPLE}", "Correct the target URL")
    if parts.driver is not None and parts.driver not in _URL_DRIVERS:
        _refuse(
            subject,
            f"names the unknown dialect postgresql+{parts.driver}",
            "postgresql, postgresql+psycopg or postgresql+psycopg2",
            "Write postgresql://…",
        )
    return _build_settings(subject, parts)


def _build_settings(subject: str, parts: UrlParts) -> TargetSettings:
    options = _read_options(subject, parts)
    database = options.pop("dbname", None) or parts.database
    if not database:
        _refuse(subject, "names no database", f"a URL like {EXAMPLE}", "Add /database behind the host")
    username = options.pop("user", None) or parts.username
    password = options.pop("password", None) or parts.password
    port = options.pop("port", None) or (str(parts.port) if parts.port else None)
    host = options.pop("host", None) or parts.host
    if host and not host.startswith("/") and ":" in host and "," in f"{host},":
        host, port = _split_hosts(host, port)
    secrets = {keyword: options.pop(keyword) for keyword in _SECRET_OPTIONS if keyword in options}
    return TargetSettings(
        database=database,
        host=host,
        port=port,
        username=username or None,
        password=password or None,
        options=tuple(sorted(options.items())),
        secrets=tuple(sorted(secrets.items())),
    )


def _read_options(subject: str, parts: UrlParts) -> dict[str, str]:
    """The query's libpq keywords; several values (``host=a&host=b``) are joined by commas."""
    if not parts.query:
        return {}
    from psycopg import pq

    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    holds_secret = any(keyword in _SECRET_OPTIONS for keyword, _ in parts.query)
    options = {}
    for keyword, values in parts.query:
        if keyword not in known:
            near = difflib.get_close_matches(keyword, sorted(known), n=1)
            _refuse(
                subject,
                f"has {name_option(keyword, known, holds_secret)}, which libpq does not know",
                near[0] if near else "an option of libpq (PostgreSQL's documentation, 'Parameter Key Words')",
                "Correct or remove the option",
            )
        options[keyword] = ",".join(values)
    return options


def _split_hosts(host: str, port: str | None) -> tuple[str, str | None]:
    """SQLAlchemy's ``host=a:5432,b:5433`` as libpq's two lists; an IPv6 address stays whole."""
    names, ports = [], []
    for item in host.split(","):
        name, colon, number = item.rpartition(":")
        is_pair = bool(colon) and number.isdigit() and ":" not in name.strip("[]").replace("::", "")
        names.append(name if is_pair else item)
        ports.append(number if is_pair else (port or str(DEFAULT_PORT)))
    return ",".join(names), ",".join(ports)


def _refuse(subject: str, found: str, expected: str, next_act: str) -> NoReturn:
    raise ConfigurationError(subject, found=found, expected=expected, next_act=next_act) from None
