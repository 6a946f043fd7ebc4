"""Connection URLs taken apart, without ever repeating what may be a password. No engine's options here.

A text that does not parse is shown as its scheme alone: wherever the mistake is, a password may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

from blb_migration.errors import ConfigurationError
from blb_migration.near_names import find_near

_SCHEME = re.compile(r"^\s*([A-Za-z][\w+.-]*)://")
# SQLAlchemy's own reading of user and password: up to the first '/' or ':', and up to the first '@'.
_USER_AND_PASSWORD = re.compile(r"^[\w+]+://[^:/]*:[^@]*@(?P<rest>.*)$", re.DOTALL)
_LOG_IN = re.compile(r"^[\w+]+://(?:[^/]*@)?")  # of a masked URL, whose user may hold an @
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", ".", "(local)"})


@dataclass(frozen=True)
class DatabaseIdentity:
    """Which database a URL means. ``host`` is in lower case, all names of this machine being
    ``localhost``."""

    host: str
    port: int | None
    database: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}" if self.port else f"{self.host}/{self.database}"


@dataclass(frozen=True)
class UrlParts:
    """A URL's parts, percent-escapes resolved. A query key given several times has several values."""

    backend: str
    driver: str | None
    username: str | None
    password: str | None
    host: str | None
    port: int | None
    database: str | None
    query: tuple[tuple[str, tuple[str, ...]], ...]

    def __repr__(self) -> str:
        return f"UrlParts({self.backend})"


def normalise_host(host: str) -> str:
    """Return a host's name for comparisons: lower case, this machine always ``localhost``."""
    return "localhost" if host.lower() in _LOOPBACK else host.lower()


def name_place(masked_url: str) -> str:
    """Return where a masked URL leads, without scheme and log-in, a user's name with an @ too."""
    return _LOG_IN.sub("", masked_url)


def mask_url(text: str) -> str:
    """Return what may be shown of a URL that was not understood: its scheme."""
    match = _SCHEME.match(text)
    return f"{match.group(1)}://***" if match else "***"


def name_option(name: str, known: Collection[str], holds_secret: bool) -> str:
    """Return an option for a message. Beside a password in the query, an unknown name may be a piece of
    it."""
    if holds_secret and find_near(name, known) is None:
        return "an option (not shown: a password stands beside it)"
    return f"the option {name}"


def split_url(text: str, side: str, example: str) -> UrlParts:
    """Take a URL apart as SQLAlchemy does. ``side`` is "source" or "target".

    Raises ConfigurationError, which shows the scheme alone, when it does not parse.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    text = text.strip()
    subject = f"{side} URL {mask_url(text)}"
    if _SCHEME.match(text) is None:
        _refuse(subject, "is not a URL (it has no scheme://)", example)
    match = _USER_AND_PASSWORD.match(text)
    if match and "@" in match["rest"]:
        _refuse(
            subject, "holds an '@' too many", example, "Write '@' as %40 in a user name, password or option"
        )
    try:
        url = make_url(text)
        if url.port is not None and not 0 < url.port < 65536:
            _refuse(subject, "has a port outside 1 to 65535", example)
    except ValueError:
        _refuse(subject, "has a port that is not a number", example, _ESCAPE_ADVICE)
    except ArgumentError:
        _refuse(subject, "does not parse", example, _ESCAPE_ADVICE)
    backend, _, driver = url.drivername.partition("+")
    return UrlParts(
        backend=backend.lower(),
        driver=driver.lower() or None,
        username=url.username,
        password=None if url.password is None else str(url.password),
        host=unquote(url.host) if url.host else None,
        port=url.port,
        database=unquote(url.database) if url.database else None,
        query=tuple(
            (key, (value,) if isinstance(value, str) else tuple(value)) for key, value in url.query.items()
        ),
    )


_ESCAPE_ADVICE = "Write ':', '/', '@', '?', '#' and '%' inside a user name or password as %XX"


def _refuse(subject: str, found: str, example: str, next_act: str = "Correct the URL") -> NoReturn:
    raise ConfigurationError(
        subject, found=found, expected=f"a URL like {example}", next_act=next_act
    ) from None
