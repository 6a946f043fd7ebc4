"""The source's settings: a SQL Server URL, as SQLAlchemy's users write it, made into the bundled driver's
terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import unquote_plus

from blb_migration.errors import ConfigurationError
from blb_migration.near_names import suggest
from blb_migration.settings.foreign_urls import refuse_foreign_form
from blb_migration.settings.odbc import (
    BUNDLED_DRIVER,
    FIXED_OPTIONS,
    LOGIN_TIMEOUT_OPTIONS,
    MICROSOFT_AUTHENTICATIONS,
    NATIVE_DRIVERS,
    NEEDLESS_OPTIONS,
    OPTION_KEYWORDS,
    SERVER_KEYWORDS,
    UNHEEDED_OPTIONS,
    NamedDriver,
    build_connection_string,
    normalise_option,
    parse_connection_string,
    read_installed_drivers,
    recognise_driver,
)
from blb_migration.settings.urls import (
    DatabaseIdentity,
    UrlParts,
    mask_url,
    name_option,
    normalise_host,
    split_url,
)

EXAMPLE = "mssql+pyodbc://user:password@host:1433/database?driver=ODBC+Driver+18+for+SQL+Server"
DEFAULT_PORT = 1433
DEFAULT_LOGIN_TIMEOUT_SECONDS = 10
_SECRETIVE = ("pwd", "password", "odbc_connect")
_URL_DRIVERS = ("pyodbc", "mssqlpython", "pymssql", "aioodbc", "turbodbc")


@dataclass(frozen=True)
class SourceSettings:
    """One SQL Server database and how to log in to it.

    ``options`` are the driver's keywords in its own spelling. ``driver`` is one of ``NATIVE_DRIVERS``
    when the URL insists on it. ``notes`` say, for the log and the report, what of the URL is carried out
    differently from what it says.
    """

    host: str
    database: str
    instance: str | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    login_timeout_seconds: int = DEFAULT_LOGIN_TIMEOUT_SECONDS
    driver: str | None = None

    @property
    def server(self) -> str:
        """Host, instance and port in SQL Server's notation: ``host\\INSTANCE,port``."""
        instance = f"\\{self.instance}" if self.instance else ""
        return f"{self.host}{instance}" + (f",{self.port}" if self.port else "")

    @property
    def connection_string(self) -> str:
        """For mssql_python.connect. It holds the password: never log it."""
        pairs = [("Server", self.server), ("Database", self.database)]
        if self.username:
            pairs.append(("UID", self.username))
        if self.password:
            pairs.append(("PWD", self.password))
        return build_connection_string((*pairs, *self.options, *FIXED_OPTIONS))

    @property
    def needs_microsoft_driver(self) -> str | None:
        """The option, as written, that only Microsoft's own driver knows; None when either will do."""
        authentication = dict(self.options).get("Authentication", "")
        known = authentication.lower() in MICROSOFT_AUTHENTICATIONS
        return f"Authentication={authentication}" if known else None

    @property
    def masked_url(self) -> str:
        """The source for messages: no password and no options."""
        login = ""
        if self.username:
            login = f"{self.username}:***@" if self.password else f"{self.username}@"
        host = f"{self.host}\\{self.instance}" if self.instance else self.host
        return f"mssql://{login}{host}{f':{self.port}' if self.port else ''}/{self.database}"

    @property
    def identity(self) -> DatabaseIdentity:
        """Which database this is; a named instance without a port has an unknown port."""
        port = self.port or (None if self.instance else DEFAULT_PORT)
        return DatabaseIdentity(normalise_host(self.host.removeprefix("tcp:")), port, self.database)

    @property
    def tcp_address(self) -> tuple[str, int] | None:
        """Where a TCP connection would go, or None when only the driver can find out."""
        host = self.host.removeprefix("tcp:")
        if (self.instance and not self.port) or host in (".", "(local)", "(localdb)") or ":" in host:
            return None
        return host, self.port or DEFAULT_PORT


def parse_source_url(text: str) -> SourceSettings:
    """Read a source URL. Raises ConfigurationError, never repeating a password, when it cannot be used."""
    refuse_foreign_form(text, "source")
    parts = split_url(text, "source", EXAMPLE)
    subject = f"source URL {mask_url(text)}"
    if parts.backend in ("postgresql", "postgres"):
        raise ConfigurationError(
            subject,
            found="names a PostgreSQL database as the source",
            expected="SQL Server as the source and PostgreSQL as the target",
            next_act="Swap the two URLs (--source-conn takes mssql…, --target-conn takes postgresql…); "
            "they must not be the same database",
        )
    if parts.backend != "mssql":
        _refuse(subject, f"names {parts.backend}", f"a URL like {EXAMPLE}", "Correct the source URL")
    if parts.driver is not None and parts.driver not in _URL_DRIVERS:
        _refuse(
            subject,
            f"names the unknown dialect mssql+{parts.driver}",
            f"mssql+{', mssql+'.join(_URL_DRIVERS)} or mssql",
            "Write mssql+pyodbc://…, whatever driver is installed",
        )
    return _SourceReading(subject, parts).build()


class _SourceReading:
    """One URL on its way to settings: options come from its query, or from odbc_connect's string."""

    def __init__(self, subject: str, parts: UrlParts) -> None:
        self.subject = subject
        self.parts = parts
        self.notes: list[str] = []
        self.options: dict[str, str] = {}
        self.login_timeout_seconds = DEFAULT_LOGIN_TIMEOUT_SECONDS
        self.driver: NamedDriver | None = None
        self.holds_secret = any(key.lower() in _SECRETIVE for key, _ in parts.query)

    def build(self) -> SourceSettings:
        pairs = self._read_pairs()
        username = self._take(pairs, "uid", "user") or self.parts.username or None
        password = self._take(pairs, "pwd", "password") or self.parts.password or None
        database = self._take(pairs, "database", "initial catalog") or self.parts.database
        server = self._take(pairs, *SERVER_KEYWORDS) or self.parts.host
        self._refuse_data_source(pairs, database)
        if not server:
            _refuse(self.subject, "names no host", f"a URL like {EXAMPLE}", "Add the host to the source URL")
        if not database:
            _refuse(
                self.subject,
                "names no database (a lone name after the '@' would be an ODBC data source, "
                "which is not read here)",
                f"a URL like {EXAMPLE}",
                "Add /database behind the host",
            )
        host, instance, port = self._split_server(server)
        self._read_driver(self._take(pairs, "driver"))
        for keyword, value in pairs.items():
            self._read_option(keyword, value)
        self._decide_log_in(username)
        self._decide_encryption()
        return SourceSettings(
            host=host,
            database=database,
            instance=instance,
            port=port or self.parts.port,
            username=username,
            password=password,
            options=tuple(sorted(self.options.items())),
            notes=tuple(self.notes),
            login_timeout_seconds=self.login_timeout_seconds,
            driver=self.driver.name if self.driver and self.driver.name in NATIVE_DRIVERS else None,
        )

    def _read_pairs(self) -> dict[str, str]:
        """Options by keyword, as written; a keyword counts once, whatever its letter case."""
        pairs: dict[str, str] = {}
        for keyword, values in self.parts.query:
            if keyword.lower() == "odbc_connect":
                try:
                    items = parse_connection_string(_decode_once_more(values[0]))
                except ValueError as error:
                    _refuse(
                        self.subject, f"has an odbc_connect that is {error}",
                        "Server=host,1433;Database=name;UID=…;PWD=…, percent-encoded",
                        "Encode it with urllib.parse.quote_plus",
                    )  # fmt: skip
            else:
                items = tuple((keyword, value) for value in values)
            for name, value in items:
                if any(name.lower() == known.lower() for known in pairs):
                    _refuse(
                        self.subject,
                        f"gives {name_option(name, OPTION_KEYWORDS, self.holds_secret)} twice",
                        "each option once",
                        "Remove one of the two",
                    )
                pairs[name] = value
        return pairs

    @staticmethod
    def _take(pairs: dict[str, str], *keywords: str) -> str | None:
        for name in list(pairs):
            if name.lower() in keywords:
                return pairs.pop(name)
        return None

    def _refuse_data_source(self, pairs: Mapping[str, str], database: str | None) -> None:
        for name in pairs:
            if name.lower() in ("dsn", "filedsn") and not database:
                _refuse(
                    self.subject,
                    "names an ODBC data source (DSN), which the bundled driver does not read",
                    f"host and database in the URL, like {EXAMPLE}",
                    "Write the data source's server and database into the URL",
                )

    def _split_server(self, server: str) -> tuple[str, str | None, int | None]:
        pattern = r"(?P<host>[^\\,]+)(?:\\(?P<instance>[^\\,]+))?(?:,\s*(?P<port>\d+))?"
        match = re.fullmatch(pattern, server.strip())
        if match is None:
            _refuse(
                self.subject,
                "has a server name that does not parse",
                "host, host\\INSTANCE or host,port",
                "Correct the host in the source URL",
            )
        return match["host"], match["instance"], int(match["port"]) if match["port"] else None

    def _read_driver(self, name: str | None) -> None:
        if name is None:
            return
        self.driver = recognise_driver(name)
        if self.driver is None:
            installed = read_installed_drivers()
            _refuse(
                self.subject,
                f"names the driver {name!r}, which is not known",
                f"one of: {', '.join((*installed, BUNDLED_DRIVER, *NATIVE_DRIVERS))}",
                "Write driver=ODBC+Driver+18+for+SQL+Server, or leave driver out; the bundled driver is used "
                "in any case",
            )
        if self.driver.name.lower() not in ("odbc driver 18 for sql server", *NATIVE_DRIVERS):
            self.notes.append(f"the URL names {self.driver.name}; a driver bundled with mssql-python is used")

    def _read_option(self, name: str, value: str) -> None:
        keyword = OPTION_KEYWORDS.get(name.lower())
        if name.lower() in LOGIN_TIMEOUT_OPTIONS:
            if not re.fullmatch(r"[1-9]\d{0,3}", value.strip()):
                _refuse(
                    self.subject, f"has a {name} that is not a number of seconds", "1 to 9999", "Correct it"
                )
            self.login_timeout_seconds = int(value)
        elif name.lower() in NEEDLESS_OPTIONS:
            self.notes.append(f"the option {name} is not needed for reading and is left out")
        elif name.lower() in UNHEEDED_OPTIONS:
            self.notes.append(
                f"the option {name} is left out: a session that breaks is opened anew and asked whose it is, "
                "not by the driver unseen"
            )
        elif keyword is None:
            known = sorted(set(OPTION_KEYWORDS.values()))
            shown = name_option(name, OPTION_KEYWORDS, self.holds_secret)
            near = suggest(name, [*OPTION_KEYWORDS, *known])
            _refuse(
                self.subject,
                f"has {shown}, which the driver does not know{near}",
                f"one of {', '.join(known)}",
                "Correct or remove the option",
            )
        else:
            try:
                self.options[keyword] = normalise_option(keyword, value)
            except ValueError as error:
                _refuse(
                    self.subject,
                    f"has a value for {keyword} that is not known",
                    f"one of {error}",
                    "Correct it",
                )

    def _decide_log_in(self, username: str | None) -> None:
        """As SQLAlchemy does: without a user, the account that runs this logs in."""
        trusted = self.options.pop("Trusted_Connection", None)
        if trusted == "yes" or (trusted is None and not username and "Authentication" not in self.options):
            self.options["Trusted_Connection"] = "yes"

    def _decide_encryption(self) -> None:
        """Keep what the named driver would have done, so that a URL that worked keeps working."""
        older = self.driver is not None and not self.driver.encrypts_by_default
        if "Encrypt" not in self.options and (older or self.parts.driver == "pymssql"):
            self.options["Encrypt"] = "no"
            named = self.driver.name if self.driver else "pymssql"
            self.notes.append(
                f"the URL does not say Encrypt; no, the default of {named}, is kept (Encrypt=yes encrypts)"
            )


def _decode_once_more(text: str) -> str:
    """Return a connection string that was percent-encoded twice, as SQLAlchemy also takes it."""
    return text if "=" in text else unquote_plus(text)


def _refuse(subject: str, found: str, expected: str, next_act: str) -> NoReturn:
    raise ConfigurationError(subject, found=found, expected=expected, next_act=next_act) from None
