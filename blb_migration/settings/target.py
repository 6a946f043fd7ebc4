"""The target's settings: a PostgreSQL URL, made into libpq's keywords, for psycopg 3 and for psycopg2
alike. How a URL is read is ``libpq``'s business."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import NoReturn

from blb_migration.errors import ConfigurationError
from blb_migration.settings.foreign_urls import refuse_foreign_form
from blb_migration.settings.libpq import (
    EXAMPLE,
    find_secret_keywords,
    read_keywords,
    read_url,
    refuse_bad_ports,
    split_hosts,
)
from blb_migration.settings.urls import DatabaseIdentity, mask_url, normalise_host

DEFAULT_PORT = 5432
DEFAULT_CONNECT_TIMEOUT_SECONDS = 10
# A server or a network that is gone ends a session within a minute; what is sent meanwhile, too.
KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
APPLICATION_NAME = "blb-migrate"
_URL_DRIVERS = ("psycopg", "psycopg2", "psycopg2cffi", "asyncpg", "pg8000")
_URL = re.compile(r"(?P<backend>[A-Za-z][\w.-]*)(?:\+(?P<driver>[\w.+-]*))?://(?P<rest>.*)", re.DOTALL)
_KEYWORDS = re.compile(r"\w+\s*=")


@dataclass(frozen=True)
class TargetSettings:
    """One PostgreSQL database and how to log in to it.

    ``host`` may be a socket folder or several hosts joined by commas, with as many ``port`` numbers; what is
    None is left to libpq, its environment variables and its service file. ``options`` are further libpq
    keywords; ``secrets`` those that must not be shown.
    """

    database: str | None
    host: str | None = None
    port: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def connect_arguments(self) -> dict[str, str]:
        """libpq's keywords, for ``connect(**…)`` of psycopg 3 and psycopg2. They hold the password.

        Nothing that a pooler before the server would refuse, unless the URL says it: whatever else a
        session relies on is set after connecting. The encoding is UTF-8 whatever the URL says.
        """
        arguments = {
            "application_name": APPLICATION_NAME,
            "connect_timeout": str(DEFAULT_CONNECT_TIMEOUT_SECONDS),
            **KEEPALIVES,
            **dict(self.options),
            **dict(self.secrets),
            "client_encoding": "UTF8",
        }
        given = {
            **{"dbname": self.database, "host": self.host, "port": self.port},
            **{"user": self.username, "password": self.password},
        }
        return arguments | {keyword: value for keyword, value in given.items() if value}

    @property
    def conninfo(self) -> str:
        """The same as one connection string. It holds the password: never log it."""
        from psycopg.conninfo import make_conninfo

        return make_conninfo("", **self.connect_arguments)

    @property
    def masked_url(self) -> str:
        """The target for messages: no password and no options, but for a socket folder and a service."""
        login = ""
        if self.username:
            login = f"{self.username}:***@" if self.password else f"{self.username}@"
        service = dict(self.options).get("service")
        hosts = (self.host or "").split(",")
        ports = (self.port or "").split(",")
        ports = ports if len(ports) == len(hosts) else ports * len(hosts)
        is_socket = hosts[0].startswith(("/", "@"))
        shown = [
            (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
            for host, port in zip(hosts, ports, strict=True)
        ]
        query = [f"host={self.host}"] * is_socket + [f"service={service}"] * (service is not None)
        return (
            f"postgresql://{login}{'' if is_socket else ','.join(shown)}/{self.database or ''}"
            f"{'?' if query else ''}{'&'.join(query)}"
        )

    @property
    def identity(self) -> DatabaseIdentity:
        """Which database this is; of several hosts the first, a socket folder being this machine."""
        host = (self.host or "localhost").split(",")[0]
        port = (self.port or "").split(",")[0]
        is_socket = host.startswith(("/", "@"))
        return DatabaseIdentity(
            "localhost" if is_socket else normalise_host(host),
            int(port) if port.isdigit() else DEFAULT_PORT,
            self.database or "",
        )

    @property
    def has_several_hosts(self) -> bool:
        """Whether libpq chooses among hosts."""
        return "," in (self.host or "")


def parse_target_url(text: str) -> TargetSettings:
    """Read a target URL, or libpq's ``host=… dbname=…``.

    Raises ConfigurationError, never repeating a password, when it cannot be used.
    """
    refuse_foreign_form(text, "target")
    text = text.strip().removeprefix("jdbc:")
    subject = f"target URL {mask_url(text)}"
    url = _URL.fullmatch(text)
    if url is None:
        if _KEYWORDS.match(text):
            return _build_settings(subject, read_keywords(text, subject))
        _refuse(subject, "is not a URL (it has no scheme://)", f"a URL like {EXAMPLE}", "Correct the URL")
    backend = url["backend"].lower()
    if backend == "mssql":
        raise ConfigurationError(
            subject,
            found="names a SQL Server database as the target",
            expected="SQL Server as the source and PostgreSQL as the target",
            next_act="Swap the two URLs (--source-conn takes mssql…, --target-conn takes postgresql…); "
            "they must not be the same database",
        )
    if backend not in ("postgresql", "postgres"):
        _refuse(subject, f"names {backend}", f"a URL like {EXAMPLE}", "Correct the target URL")
    if url["driver"] is not None and url["driver"].lower() not in _URL_DRIVERS:
        _refuse(
            subject,
            f"names the unknown dialect postgresql+{url['driver']}",
            "postgresql, postgresql+psycopg or postgresql+psycopg2",
            "Write postgresql://…",
        )
    return _build_settings(subject, read_url(url["rest"], subject, is_sqlalchemys=url["driver"] is not None))


def _build_settings(subject: str, keywords: dict[str, str]) -> TargetSettings:
    database = keywords.pop("dbname", None) or None
    if not (database or "service" in keywords or {"PGDATABASE", "PGSERVICE"} & os.environ.keys()):
        _refuse(subject, "names no database", f"a URL like {EXAMPLE}", "Add /database behind the host")
    host, port = keywords.pop("host", None) or None, keywords.pop("port", None) or None
    if host is not None:
        host, port = split_hosts(host, port)
    refuse_bad_ports(host, port, subject)
    username, password = keywords.pop("user", None), keywords.pop("password", None)
    secrets = {keyword: keywords.pop(keyword) for keyword in find_secret_keywords() & keywords.keys()}
    return TargetSettings(
        database=database,
        host=host,
        port=port,
        username=username or None,
        password=password or None,
        options=tuple(sorted(keywords.items())),
        secrets=tuple(sorted(secrets.items())),
    )


def _refuse(subject: str, found: str, expected: str, next_act: str) -> NoReturn:
    raise ConfigurationError(subject, found=found, expected=expected, next_act=next_act) from None
