"""Connection strings of other worlds, recognised to offer the URL that means the same; none is just taken.

JDBC's and Prisma's ``jdbc:sqlserver://host:1433;databaseName=x``, ADO.NET's, ODBC's and Npgsql's
``Server=host,1433;Database=x``, Go's ``sqlserver://host?database=x``, URLs in quotes, without ``//`` or
without a scheme. What is offered shows ``***`` for a password. Sources: "Building the connection URL"
(mssql-jdbc), SqlConnection.ConnectionString (.NET), MS-ODBCSTR, "Connection String Parameters" (Npgsql).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NoReturn
from urllib.parse import parse_qsl, quote, unquote

from blb_migration.errors import ConfigurationError
from blb_migration.settings.odbc import OPTION_KEYWORDS

Side = Literal["source", "target"]

_SCHEMES: Mapping[Side, str] = {"source": "mssql+pyodbc", "target": "postgresql"}
_PRODUCTS: Mapping[Side, str] = {"source": "SQL Server", "target": "PostgreSQL"}
_PAIR = re.compile(
    r"\s*([^=;]+?)\s*=\s*(?:\{((?:[^}]|\}\})*)\}|\"((?:[^\"]|\"\")*)\"|'((?:[^']|'')*)'|([^;]*))\s*(?:;|$)"
)
_SERVER = re.compile(r"(?:tcp:)?([^\\,:\s=]+|\[[^\]]+\])?(?:\\([^\\,:\s=]+))?(?:[,:]\s*(\d+))?")
_HOLDS_A_PASSWORD = re.compile(r"(?:password|pwd)\s*=", re.IGNORECASE)
_SQL_SERVERS_SCHEME = re.compile(r"(jdbc:)?sqlserver://(.*)", re.IGNORECASE | re.DOTALL)
_WITHOUT_SLASHES = re.compile(r"((?:mssql|postgres(?:ql)?)(?:\+\w+)?):/?(?!/)(.*)", re.IGNORECASE | re.DOTALL)
_QUOTES = "'\"\u2018\u2019\u201c\u201d"
_LOGIN = re.compile(r"(?:([^:/@?;]*)(?::([^@]*))?@)?([^@]*)", re.DOTALL)
# The names of one thing, without blanks, '_' and letter case.
_NAMES = {
    "server": ("server", "datasource", "addr", "address", "networkaddress", "servername", "host"),
    "port": ("port", "portnumber"),
    "instance": ("instancename",),
    "database": ("database", "databasename", "initialcatalog", "dbname"),
    "user": ("user", "userid", "username", "uid"),
    "password": ("password", "pwd"),
    "trusted": ("trustedconnection", "integratedsecurity"),
    "sslmode": ("sslmode",),
}
_OPTIONS = {keyword.replace("_", "").replace(" ", ""): name for keyword, name in OPTION_KEYWORDS.items()}
_ONLY_SQL_SERVERS = {"trustservercertificate", "initialcatalog", "datasource", "multipleactiveresultsets"}


@dataclass(frozen=True)
class _Meant:
    """What a foreign form says, as far as a URL can say it; whether there is a password, never which."""

    form: str
    side: Side
    host: str = "HOST"
    port: str = ""
    database: str = "DATABASE"
    user: str = ""
    has_password: bool = False
    options: tuple[tuple[str, str], ...] = field(default=())

    def write_url(self) -> str:
        """Write the URL that means the same."""
        password = ":***" if self.has_password else ""
        login = f"{quote(self.user, safe='')}{password}@" if self.user else ""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.options)
        return (
            f"{_SCHEMES[self.side]}://{login}{self.host}{f':{self.port}' if self.port else ''}"
            f"/{quote(self.database, safe='')}{'?' if query else ''}{query}"
        )


def refuse_foreign_form(text: str, side: Side) -> None:
    """Raise ConfigurationError for a form of another world, with the URL that means the same; else return."""
    text = text.strip()
    meant = _recognise(text, side)
    if meant is None:
        return
    if meant.side != side:
        raise ConfigurationError(
            f"{side} URL (not shown)",
            found=f"is {meant.form}, which names a {_PRODUCTS[meant.side]} database as the {side}",
            expected="SQL Server as the source and PostgreSQL as the target",
            next_act=f"Give {meant.write_url()} with --{meant.side}-conn",
        )
    _refuse(meant)


def _refuse(meant: _Meant) -> NoReturn:
    secret = (
        " (*** is the password, with ':', '/', '@', '?', '#' and '%' as %XX)" if meant.has_password else ""
    )
    raise ConfigurationError(
        f"{meant.side} URL (not shown)",
        found=f"is {meant.form}",
        expected="a URL as SQLAlchemy takes it",
        next_act=f"Write {meant.write_url()}{secret}",
    )


def _recognise(text: str, side: Side) -> _Meant | None:
    if len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
        inner = _recognise(text[1:-1].strip(), side) or _read_url(text[1:-1].strip(), "", side)
        return inner and replace(inner, form="in quotes that the shell has left")
    if match := _SQL_SERVERS_SCHEME.fullmatch(text):
        return _read_sqlserver(match[2], "a JDBC URL" if match[1] else "a URL of the scheme sqlserver")
    if match := _WITHOUT_SLASHES.fullmatch(text):
        return _read_url(f"{match[1]}://{match[2]}", "without // behind its scheme", side)
    if re.match(r"[A-Za-z][\w ]*=", text):
        return _read_pairs(text, side)
    if "://" not in text and ("@" in text or re.fullmatch(r"[\w.-]+(:\d+)?/\w+", text)):
        return _read_url(f"{_SCHEMES[side]}://{text}", "without a scheme", side)
    return None


def _read_pairs(text: str, side: Side) -> _Meant | None:
    pairs = _split_pairs(text)
    driver = pairs.get("driver", "").lower()
    if ";" not in text:  # libpq's own form, which the target takes as it is
        words = {name: value for name, _, value in (word.partition("=") for word in text.split())}
        if side == "target" or "dbname" not in words:
            return None
        return _build(words, "libpq's host=… dbname=…", "target")
    if any(map(_HOLDS_A_PASSWORD.search, pairs.values())):  # two forms in one: what belongs to it is unknown
        pairs = dict.fromkeys(pairs, "")
    is_sql_server = side == "source" or bool(_ONLY_SQL_SERVERS & pairs.keys()) or "sql server" in driver
    if "host" in pairs or "postgres" in driver or not is_sql_server:
        return _build(pairs, "an ODBC string" if driver else "an Npgsql string", "target")
    return _build(pairs, "an ODBC string" if driver else "an ADO.NET string", "source")


def _read_sqlserver(rest: str, form: str) -> _Meant:
    address, _, properties = rest.partition(";")
    address, _, query = address.partition("?")
    match = _LOGIN.fullmatch(address)
    if match is None or (match[1] and "@" in query + properties):  # what belongs to a password is unknown
        return _build({}, form, "source")
    user, password, place = match.groups()
    server, _, database = place.partition("/")
    found = {"server": server, "database": database, "user": user or "", "password": password or ""}
    found |= {_plain(name): value for name, value in parse_qsl(query)} | _split_pairs(properties)
    return _build({name: value for name, value in found.items() if value}, form, "source")


def _read_url(url: str, form: str, side: Side) -> _Meant | None:
    """Read a URL of ours but for what ``form`` says; None where a password may begin or end anywhere."""
    scheme, _, rest = url.partition("://")
    address, _, query = rest.partition("?")
    match = _LOGIN.fullmatch(address)
    if match is None or "@" in query:
        return None
    user, password, place = match.groups()
    server, _, database = place.partition("/")
    real_side: Side = "target" if scheme.lower().startswith("postgres") else "source"
    if scheme.lower().split("+")[0] not in ("mssql", "postgres", "postgresql"):
        real_side = side
    pairs = {"server": server, "database": unquote(database), "user": unquote(user or "")}
    pairs |= {_plain(name): value for name, value in parse_qsl(query)} | {"password": password or ""}
    return _build({name: value for name, value in pairs.items() if value}, form, real_side)


def _build(pairs: Mapping[str, str], form: str, side: Side) -> _Meant:
    def take(thing: str) -> str:
        return next((pairs[name] for name in _NAMES[thing] if pairs.get(name)), "")

    match = _SERVER.fullmatch(take("server"))
    host, instance, port = match.groups() if match else (None, None, None)
    instance = instance or take("instance")
    options = []
    if side == "source":
        options = [(_OPTIONS[name], value) for name, value in pairs.items() if name in _OPTIONS]
        options = [(name, value) for name, value in options if name not in ("Server", "Trusted_Connection")]
        if take("trusted").lower() in ("yes", "true", "sspi"):
            options.append(("Trusted_Connection", "yes"))
    elif take("sslmode"):
        dashed = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", take("sslmode"))  # Npgsql's VerifyFull
        options = [("sslmode", dashed.lower())]
    return _Meant(
        form=form,
        side=side,
        host=(host or "HOST") + (f"\\{instance}" if instance else ""),
        port=port or take("port"),
        database=take("database") or "DATABASE",
        user=take("user"),
        has_password=bool(take("password")),
        options=tuple(options),
    )


def _split_pairs(text: str) -> dict[str, str]:
    return {
        _plain(name): next((value for value in values if value), "").strip()
        for name, *values in _PAIR.findall(text)
    }


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")
