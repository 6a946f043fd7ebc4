"""ODBC's words for connecting to SQL Server: drivers, keywords, connection strings. Knows no URL.

All reading goes through one of the drivers that mssql-python carries, whatever Microsoft driver a URL names.
A URL chooses between those by ``driver=msodbcsql18`` or ``driver=mssql-odbc``, mssql-python's own names.
Sources: MS-ODBCSTR for the syntax; "DSN and Connection String Keywords and Attributes" for keywords and
their defaults; ``mssql_python.constants`` for the keywords that its connections accept (a test holds the
two together).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BUNDLED_DRIVER = "ODBC Driver 18 for SQL Server (bundled with mssql-python)"
MICROSOFT_DRIVER, RUST_DRIVER = "msodbcsql18", "mssql-odbc"
NATIVE_DRIVERS = (MICROSOFT_DRIVER, RUST_DRIVER)
# For the other ways to log in with Entra ID mssql-python gets a token itself, and mssql-odbc 0.3 takes it.
MICROSOFT_AUTHENTICATIONS = frozenset(
    {"activedirectorypassword", "activedirectoryintegrated", "activedirectoryserviceprincipal"}
)

# lower-case keyword -> the bundled driver's spelling
SERVER_KEYWORDS = {"server": "Server", "address": "Server", "addr": "Server"}
OPTION_KEYWORDS = {
    "applicationintent": "ApplicationIntent",
    "authentication": "Authentication",
    "connectretrycount": "ConnectRetryCount",
    "connectretryinterval": "ConnectRetryInterval",
    "encrypt": "Encrypt",
    "hostnameincertificate": "HostnameInCertificate",
    "ipaddresspreference": "IpAddressPreference",
    "keepalive": "KeepAlive",
    "keepaliveinterval": "KeepAliveInterval",
    "multisubnetfailover": "MultiSubnetFailover",
    "packetsize": "PacketSize",
    "packet size": "PacketSize",
    "servercertificate": "ServerCertificate",
    "serverspn": "ServerSPN",
    "trusted_connection": "Trusted_Connection",
    "trustservercertificate": "TrustServerCertificate",
    "trust_server_certificate": "TrustServerCertificate",
}

# Said to the driver whatever a URL says. Driver 18 logs in again by itself where an idle session is broken,
# and tells nobody ("Connection resiliency in the ODBC driver"). Another server may answer then, or a database
# that was restored meanwhile; a session of ours is asked whose it is when it is opened.
FIXED_OPTIONS = (("ConnectRetryCount", "0"),)
UNHEEDED_OPTIONS = frozenset({"connectretrycount", "connectretryinterval"})

# What other drivers and SQLAlchemy take, and what reading through the bundled driver has no use for.
NEEDLESS_OPTIONS = frozenset(
    {
        "ansi", "ansinpw", "app", "application name", "appname", "autocommit", "autotranslate", "charset",
        "fast_executemany", "language", "longasmax", "mars_connection", "quotedid", "regional", "tds_version",
        "unicode_results", "use_setinputsizes", "wsid",
    }
)  # fmt: skip

LOGIN_TIMEOUT_OPTIONS = frozenset(
    {"timeout", "login_timeout", "logintimeout", "connect_timeout", "connect timeout", "connection timeout"}
)

_YES_NO = {"yes": "yes", "no": "no", "true": "yes", "false": "no", "1": "yes", "0": "no"}
_ENCRYPT = _YES_NO | {"mandatory": "mandatory", "optional": "optional", "strict": "strict"}
_CHOICES = {
    "Encrypt": _ENCRYPT,
    "TrustServerCertificate": _YES_NO,
    "Trusted_Connection": _YES_NO,
    "MultiSubnetFailover": _YES_NO,
    "ApplicationIntent": {"readonly": "ReadOnly", "readwrite": "ReadWrite"},
}


@dataclass(frozen=True)
class NamedDriver:
    """A driver that a URL names. ``encrypts_by_default`` is what it does when the URL does not say."""

    name: str
    encrypts_by_default: bool


def recognise_driver(name: str) -> NamedDriver | None:
    """Return the driver of that name, when it is one whose URLs the bundled driver can serve."""
    plain = name.strip().strip("{}").strip()
    if plain.lower() in NATIVE_DRIVERS:
        return NamedDriver(plain.lower(), encrypts_by_default=True)
    match = re.fullmatch(r"ODBC Driver (\d+) for SQL Server", plain, re.IGNORECASE)
    if match:
        return NamedDriver(plain, encrypts_by_default=int(match.group(1)) >= 18)
    if re.fullmatch(r"SQL Server|SQL (Server )?Native Client( 1[01]\.0)?|FreeTDS", plain, re.IGNORECASE):
        return NamedDriver(plain, encrypts_by_default=False)
    return None


def read_installed_drivers() -> tuple[str, ...]:
    """Read the ODBC drivers that this machine's driver manager lists; none when it has no driver manager."""
    try:
        import pyodbc
    except ImportError:
        return ()
    return tuple(sorted(pyodbc.drivers()))


def parse_connection_string(text: str) -> tuple[tuple[str, str], ...]:
    """Return an ODBC connection string's (keyword, value) pairs in order; values may stand in braces, ``}}``
    for ``}``.

    Raises ValueError, which repeats nothing of the text.
    """
    pairs = []
    position = 0
    pattern = re.compile(r"[\s;]*([^=;]+?)\s*=\s*(?:\{((?:[^}]|\}\})*)\}|([^;{][^;]*)?)\s*(?:;|$)")
    while text[position:].strip(" \t\r\n;"):
        match = pattern.match(text, position)
        if match is None:
            raise ValueError("not a list of Keyword=Value; pairs")
        braced, plain = match.group(2), match.group(3)
        pairs.append(
            (match.group(1), braced.replace("}}", "}") if braced is not None else (plain or "").strip())
        )
        position = match.end()
    return tuple(pairs)


def build_connection_string(pairs: tuple[tuple[str, str], ...]) -> str:
    """Build the pairs as an ODBC connection string, every value in braces, whatever it holds."""
    return ";".join(f"{keyword}={{{value.replace('}', '}}')}}}" for keyword, value in pairs)


def normalise_option(keyword: str, value: str) -> str:
    """Return a value in the bundled driver's spelling. Raises ValueError naming what is allowed."""
    choices = _CHOICES.get(keyword)
    if choices is None:
        return value
    try:
        return choices[value.strip().lower()]
    except KeyError:
        raise ValueError(", ".join(sorted(set(choices.values())))) from None
