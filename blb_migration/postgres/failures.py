"""psycopg's errors as ours: which object, what happened, what to do, whether a retry can help.

Only errors of an open session; those of opening one are in ``connect``. The server's texts may be
in any language (``lc_messages`` is the operator's choice), so decisions rest on SQLSTATE codes:
https://www.postgresql.org/docs/current/errcodes-appendix.html

No value of a row is in what leaves this module. PostgreSQL puts a whole failing row into DETAIL, a value
into CONTEXT and some into the message itself, and a function's RAISE says what it likes. Logs, ledger and
report are read by people who may not read the rows; the server's own log has the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from blb_migration.errors import TargetError

LOCK_NOT_AVAILABLE = "55P03"

# Whole classes, then single codes, after which the same statement may succeed when sent again.
_TRANSIENT_CLASSES = ("08", "53", "40")  # connection, resources (disk, memory, slots), rollback
_TRANSIENT_CODES = (LOCK_NOT_AVAILABLE, "57P01", "57P02", "57P03")  # shutdown, crash, starting up

_NEXT_ACTS = {
    "42501": "Give the target's user this right, or connect as the owner of the tables",
    "42P01": "Run the application's own schema migrations on the target first",
    "53100": "Free disk space on the target",
    "53200": "Raise max_locks_per_transaction on the target and start it anew, if it ran out of locks; else"
    " give its machine memory",
    "53300": "Raise max_connections on the target, or close other sessions",
    LOCK_NOT_AVAILABLE: "End the session that holds the lock, then run again",
    "57014": "Run again; the statement was cancelled by someone or by a statement timeout",
}
_VALUES_REFUSED = (
    "Correct such values at the source, or change this rule of the target; the target server's log has the "
    "failing row"
)

# Classes whose DETAIL names objects, sessions or limits. Those of values (22, 23), and of whatever
# functions and extensions raise, may hold rows.
_DETAIL_IS_ABOUT_OBJECTS = ("08", "0A", "2B", "3D", "3F", "40", "42", "53", "55", "57")
_ABOUT_VALUES = "22"  # data exceptions: the message itself may end in the value
_ABOUT_RULES = "23"  # constraints: the message has names alone
_WHILE_COPYING = re.compile(r"^COPY .+, \S+ \d+", re.MULTILINE)
_SYNTAX_ERROR = "42601"  # of the statement where the parser says so, else of a value (a tsquery, for one)
_PARSER = re.compile(r"^(?:scan|gram|parse|analyze)")
_BY_FUNCTIONS = ("P0", "38", "39")
_QUOTES = "\"'«»„\u201c\u201d\u201a\u2018\u2019\u300c\u300d\u300e\u300f"  # of any language
_ZERO_CHARACTER = ": 0x00"  # the one value that tells nothing, and says what is wrong
# Where the server raised it: the interpreters of PL/pgSQL, PL/Python, PL/Perl, PL/Tcl, PL/v8, PL/Java.
_INTERPRETER = re.compile(r"^(?:pl_|plpgsql|plpy|plperl|pltcl|plv8|pljava)", re.IGNORECASE)
_FUNCTION_IN_CONTEXT = re.compile(r"\bPL/\w+[ -]\S+ (?P<name>[^\s(]+(?:\([^)\n]*\))?)")


@contextmanager
def target_errors(subject: object) -> Iterator[None]:
    """Turn any psycopg error of the block into a TargetError about ``subject``."""
    try:
        yield
    except psycopg.Error as error:
        raise build_target_error(error, subject) from error


def build_target_error(error: psycopg.Error, subject: object) -> TargetError:
    """Build the TargetError for a psycopg error; ``is_transient`` follows from its SQLSTATE."""
    code = error.sqlstate or ""
    refuses_values = code.startswith(("22", "23", *_BY_FUNCTIONS))
    mapped = TargetError(
        str(subject),
        found=describe_database_error(error),
        next_act=_NEXT_ACTS.get(code) or (_VALUES_REFUSED if refuses_values else None),
    )
    mapped.is_transient = is_transient(error)
    mapped.was_waited_out = code == LOCK_NOT_AVAILABLE
    return mapped


def describe_database_error(error: psycopg.Error) -> str:
    """Return the server's message on one line, with its detail where that cannot hold a row's values.

    Constraint, table and column are named where the server's message does not name them already. What
    ``lock_waits`` noted of a lock that was not to be had comes last.
    """
    notes: tuple[str, ...] = tuple(getattr(error, "__notes__", ()))
    return "; ".join((_describe_message(error), *(" ".join(note.split()) for note in notes)))


def _describe_message(error: psycopg.Error) -> str:
    diag, code = error.diag, error.sqlstate
    if code is None or diag.message_primary is None:  # the driver's own words
        return " ".join(str(error).split()) or error.__class__.__name__
    if code.startswith(_BY_FUNCTIONS) or _INTERPRETER.match(diag.source_file or ""):
        return f"{_name_function(diag.context)} raised an error (SQLSTATE {code}){_name_objects(diag, '')}"
    text = diag.message_primary
    if _may_hold_values(diag, code):
        text = _mask_values(text)
    elif diag.message_detail and code.startswith(_DETAIL_IS_ABOUT_OBJECTS):
        text = f"{text} ({diag.message_detail})"
    return " ".join(f"{text}{_name_objects(diag, text)}".split())


def withhold_values(error: psycopg.Error) -> None:
    """Let the error itself, whose text reaches tracebacks, say no more than ``describe_database_error``."""
    error.args = (_describe_message(error),)


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same work may succeed when tried again: lost sessions, locks, lack of room."""
    code = error.sqlstate
    if code is None:  # no answer from a server at all
        return isinstance(error, psycopg.OperationalError)
    return code in _TRANSIENT_CODES or code.startswith(_TRANSIENT_CLASSES)


def _may_hold_values(diag: psycopg.errors.Diagnostic, code: str) -> bool:
    if code.startswith(_ABOUT_RULES):
        return False
    is_of_a_value = code == _SYNTAX_ERROR and not _PARSER.match(diag.source_file or "")
    is_about_a_row = _WHILE_COPYING.search(diag.context or "") is not None
    return code.startswith(_ABOUT_VALUES) or is_of_a_value or is_about_a_row


def _mask_values(text: str) -> str:
    """Cut off what follows the message's colon, and what stands in quotation marks of any language."""
    if text.endswith(_ZERO_CHARACTER):
        return text
    text = re.split(r"\s?:\s", text, maxsplit=1)[0]
    return re.sub(f"[{_QUOTES}].*[{_QUOTES}]", "…", text, flags=re.DOTALL)


def _name_function(context: str | None) -> str:
    named = _FUNCTION_IN_CONTEXT.search(context or "")
    return f"the target's own function {named['name']}" if named else "a function of the target's own"


def _name_objects(diag: psycopg.errors.Diagnostic, text: str) -> str:
    """Name what the server says separately and ``text`` does not, as the end of a sentence."""
    words = (
        ("constraint", diag.constraint_name),
        ("column", diag.column_name),
        ("table", diag.table_name),
        ("type", diag.datatype_name),
    )
    named = ", ".join(f"{word} {name}" for word, name in words if name and name not in text)
    return f"; {named}" if named else ""
