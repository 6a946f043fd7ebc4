"""Passwords out of texts that are shown or kept. Knows no file and no connection."""

from __future__ import annotations

import re
from collections.abc import Iterable

# A URL's password, and an ODBC connection string's, with its {braces} where it has them.
_SECRETS = re.compile(
    r"(://[^:@/\s]*:)[^\s'\"]*(?=@)|((?:PWD|Password)\s*=\s*)(?:\{(?:[^}]|\}\})*\}|[^;\s'\"]*)", re.I
)
_NAMES = re.compile(r"pass(word|wd|phrase)?|pwd|secret|token|api_?key|private|credential", re.I)
_LITERALS = re.compile(r"'(?:[^']|'')*(?:'|$)|\$(\w*)\$.*?(?:\$\1\$|$)", re.S)
MASK = "***"


def mask_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without ``secrets``, and without what looks like a password in a URL or connection string."""
    for secret in sorted({one for one in secrets if one}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _SECRETS.sub(lambda match: (match[1] or match[2]) + MASK, text)


def mask_literals(statement: str) -> str:
    """Return an SQL statement on one line without its texts, which may be values of rows."""
    return " ".join(_LITERALS.sub("'…'", statement).split())


def is_secret_name(name: str) -> bool:
    """Whether what is called ``name`` is not to be shown: DB_PASSWORD, API_TOKEN and the like."""
    return _NAMES.search(name) is not None
