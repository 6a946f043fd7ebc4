"""A PostgreSQL URL as libpq reads it: libpq takes it apart, here is only what it should not have to guess.

Some habits are turned into what libpq understands, none of which it could take for something else:
SQLAlchemy's ``?host=a:5433&host=b``, its ``+`` for a space where the URL names a SQLAlchemy dialect, a
blank, and a ``%`` that no two hexadecimal digits follow. An '@' or '/' that may belong to a password is
refused before libpq would take the password's rest for a host. libpq's own messages are never shown: they
repeat the URL.
"""

from __future__ import annotations

import re
from typing import NoReturn

from blb_migration.errors import ConfigurationError
from blb_migration.near_names import suggest
from blb_migration.settings.urls import name_option

EXAMPLE = "postgresql://user:password@host:5432/database"
ESCAPE_ADVICE = "Write ':', '/', '@', '?', '#' and '%' inside a user name or password as %XX"
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^\[\]:]+):(?P<port>\d*)")
_UNKNOWN_OPTION = re.compile(
    r"(?:invalid URI query parameter|invalid connection option)[^\"]*\"(?P<name>.*)\""
)


def read_url(rest: str, subject: str, *, is_sqlalchemys: bool) -> dict[str, str]:
    """libpq's keywords of ``postgresql://`` + ``rest``; ``is_sqlalchemys``: the URL names a dialect.

    Raises ConfigurationError, which shows nothing of ``rest`` but the name of an unknown option.
    """
    rest = _escape_user(_LONE_PERCENT.sub("%25", rest).replace(" ", "%20"))
    _refuse_stray_signs(rest, subject)
    login, sign, address = rest.partition("@")
    if not sign or "/" in login:
        login, sign, address = "", "", rest
    address, mark, query = address.partition("?")
    query = _merge_hosts(query.replace("+", "%20") if is_sqlalchemys else query, subject)
    return _ask_libpq(f"postgresql://{login}{sign}{address}{mark}{query}", subject, "@" in query)


def read_keywords(text: str, subject: str) -> dict[str, str]:
    """libpq's keywords of ``host=… dbname=…``. Raises ConfigurationError."""
    return _ask_libpq(text, subject, True)


def find_secret_keywords() -> frozenset[str]:
    """Find the keywords whose values libpq itself would hide."""
    from psycopg import pq

    return frozenset(
        option.keyword.decode() for option in pq.Conninfo.get_defaults() if option.dispchar == b"*"
    )


def split_hosts(host: str, port: str | None) -> tuple[str, str | None]:
    """SQLAlchemy's ``host=a:5433,b`` as libpq's two lists; a socket folder and an IPv6 address stay whole."""
    items = host.split(",")
    pairs = [_HOST_AND_PORT.fullmatch(item) for item in items]
    if not any(pairs):
        return ",".join(item.strip("[]") for item in items), port
    names = [pair["host"] if pair else item for item, pair in zip(items, pairs, strict=True)]
    ports = [pair["port"] if pair else port or "" for pair in pairs]
    return ",".join(name.strip("[]") for name in names), ",".join(ports)


def refuse_bad_ports(host: str | None, port: str | None, subject: str) -> None:
    """Refuse what libpq would only find when it connects: ports that are none, or not one for each host."""
    numbers = port.split(",") if port else []
    for number in numbers:
        if number and not number.isdigit():
            _refuse(subject, "has a port that is not a number", ESCAPE_ADVICE)
        if number and not 0 < int(number) < 65536:
            _refuse(subject, "has a port outside 1 to 65535", "Correct the port")
    hosts = len(host.split(",")) if host else 1
    if len(numbers) not in (0, 1, hosts):
        _refuse(
            subject,
            f"has {len(numbers)} ports for {hosts} hosts",
            "Give one port for all, or one for each host",
        )


def _escape_user(rest: str) -> str:
    """Azure's ``user@server:password@host``: the first '@' can only belong to the user's name."""
    is_azures = re.fullmatch(r"[^:/?@]+@[^:/?@]+:[^/@]*@[^@]*", rest)
    return rest.replace("@", "%40", 1) if is_azures else rest


def _refuse_stray_signs(rest: str, subject: str) -> None:
    advice = "Write '@' as %40 and '/' as %2F in a user name, password, database or option"
    first = re.search("[@/]", rest)
    if first is None:
        return
    before, after = rest[: first.start()], rest[first.end() :]
    if first[0] == "@" and "@" in (after if ":" in before else re.split("[/?]", after)[0]):
        _refuse(subject, "holds an '@' too many", advice)
    if first[0] == "/" and before and "@" in after.partition("?")[0]:
        _refuse(subject, "holds a '/' before its '@'", advice)


def _merge_hosts(query: str, subject: str) -> str:
    """Several ``host=`` as one list; libpq would take the last, and of any option given twice."""
    merged: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        key, sign, value = pair.partition("=")
        if key in merged and key not in ("host", "port"):
            _refuse(subject, "gives an option twice", "Remove one of the two")
        merged[key] = f"{merged[key]},{value}" if key in merged else f"{sign}{value}"
    return "&".join(key + rest for key, rest in merged.items())


def _ask_libpq(text: str, subject: str, may_hold_secret: bool) -> dict[str, str]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        return {key: str(value) for key, value in conninfo_to_dict(text).items() if value is not None}
    except psycopg.Error as error:
        message = str(error)
    except UnicodeError:
        message = "forbidden value"
    if unknown := _UNKNOWN_OPTION.search(message):
        _refuse_unknown_option(unknown["name"], text, subject, may_hold_secret)
    if "forbidden value" in message:
        _refuse(
            subject, "holds a character that no connection can carry (U+0000, or no UTF-8)", ESCAPE_ADVICE
        )
    if "key/value separator" in message or '"=" after' in message:
        _refuse(subject, "has an option that is not written option=value", ESCAPE_ADVICE)
    _refuse(subject, "does not parse", ESCAPE_ADVICE)


def _refuse_unknown_option(name: str, text: str, subject: str, may_hold_secret: bool) -> NoReturn:
    from psycopg import pq

    known = sorted(option.keyword.decode() for option in pq.Conninfo.get_defaults())
    holds_secret = may_hold_secret or any(f"{key}=" in text for key in find_secret_keywords())
    shown = name_option(name, known, holds_secret)
    raise ConfigurationError(
        subject,
        found=f"has {shown}, which libpq does not know{suggest(name, known)}",
        expected="an option of libpq (PostgreSQL's documentation, 'Parameter Key Words')",
        next_act="Correct or remove the option",
    )


def _refuse(subject: str, found: str, next_act: str) -> NoReturn:
    raise ConfigurationError(
        subject, found=found, expected=f"a URL like {EXAMPLE}", next_act=next_act
    ) from None
