"""What the application asks its database, in SQL that SQL Server and PostgreSQL both take. Knows no HTTP."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

_ITERATIONS = 20_000
_REFRESH_DAYS = 7
_SHOWN = "id, code, product_id, quantity_ordered, status, notes"
_PAGE = "OFFSET 0 ROWS FETCH NEXT {} ROWS ONLY"


class ErpDatabase:
    """The application's one database, as its configuration names it. A connection per request."""

    def __init__(self, configuration: Mapping[str, str | None]) -> None:
        self._configuration = configuration
        self.kind = (configuration.get("DB_TYPE") or "sqlserver").lower()
        self.name = configuration.get("DB_NAME") or ""

    @contextmanager
    def open_cursor(self) -> Iterator[Cursor]:
        """Open a connection in autocommit, closed after the block; raises the driver's own errors."""
        connection = self._connect()
        try:
            yield Cursor(connection.cursor(), "%s" if self.kind == "postgresql" else "?")
        finally:
            connection.close()

    def _connect(self) -> Any:
        get = self._configuration.get
        host, port, name = get("DB_HOST") or "127.0.0.1", get("DB_PORT"), self.name
        user, password = get("DB_USER"), get("DB_PASSWORD")
        if self.kind == "postgresql":
            import psycopg

            return psycopg.connect(
                host=host,
                port=port,
                dbname=name,
                user=user,
                password=password,
                autocommit=True,
                application_name="sample application",
            )
        import mssql_python

        from blb_migration.sqlserver.drivers import load_driver

        load_driver(None)  # the one of mssql-python's two that this system can load
        escaped = (password or "").replace("}", "}}")
        return mssql_python.connect(
            f"SERVER={host},{port};DATABASE={name};UID={user};PWD={{{escaped}}};"
            "Encrypt=no;TrustServerCertificate=yes",
            autocommit=True,
        )


class Cursor:
    """One connection's cursor. Statements are written with ``?`` for a value."""

    def __init__(self, cursor: Any, mark: str) -> None:
        self._cursor = cursor
        self._mark = mark

    def change(self, statement: str, *values: object) -> None:
        """Send a statement that returns no rows."""
        self._cursor.execute(statement.replace("?", self._mark), values)

    def read(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Return the rows, each by column name."""
        self.change(statement, *values)
        names = [column[0] for column in self._cursor.description]
        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]


def hash_password(password: str, salt: str | None = None) -> str:
    """Return what ``users.password_hash`` keeps of a password."""
    salt = salt or secrets.token_hex(8)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), _ITERATIONS)
    return f"pbkdf2:{salt}:{digest.hex()}"


def add_person(cursor: Cursor, email: str, password: str) -> None:
    """Add somebody who may log in."""
    now = _now()
    cursor.change(
        "INSERT INTO users (email, password_hash, email_verified, status, account_type, created_at,"
        " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(email, hash_password(password), True, "active", "admin", now, now),
    )


def log_in(cursor: Cursor, email: str, password: str) -> int | None:
    """Return the person's id and leave a row in ``refresh_tokens``; None where the log-in is refused."""
    people = cursor.read("SELECT id, password_hash FROM users WHERE email = ? AND status = 'active'", email)
    for person in people:
        kind, _, rest = str(person["password_hash"]).partition(":")
        known = hash_password(password, rest.partition(":")[0]) if kind == "pbkdf2" else ""
        if hmac.compare_digest(known, str(person["password_hash"])):
            _note_log_in(cursor, int(person["id"]))
            return int(person["id"])
    return None


def _note_log_in(cursor: Cursor, person_id: int) -> None:
    now, token = _now(), secrets.token_hex(32)
    cursor.change(
        "INSERT INTO refresh_tokens (user_id, token_hash, expires_at, revoked, created_at)"
        " VALUES (?, ?, ?, ?, ?)",
        *(person_id, token, now + datetime.timedelta(days=_REFRESH_DAYS), False, now),
    )
    cursor.change("UPDATE users SET last_login_at = ? WHERE id = ?", now, person_id)


def list_orders(cursor: Cursor, limit: int) -> list[dict[str, Any]]:
    """Return the newest production orders."""
    return cursor.read(f"SELECT {_SHOWN} FROM production_orders ORDER BY id DESC {_PAGE.format(limit)}")


def list_items(cursor: Cursor, limit: int) -> list[dict[str, Any]]:
    """Return products."""
    return cursor.read(f"SELECT id, sku, name, unit FROM products ORDER BY id {_PAGE.format(limit)}")


def list_inventory(cursor: Cursor, limit: int) -> list[dict[str, Any]]:
    """Return what lies where."""
    return cursor.read(
        "SELECT id, product_id, location_id, on_hand_quantity, allocated_quantity FROM inventory"
        f" ORDER BY id {_PAGE.format(limit)}"
    )


def list_locations(cursor: Cursor) -> list[dict[str, Any]]:
    """Return the places where stock lies."""
    return cursor.read("SELECT id, code, name FROM inventory_locations ORDER BY id")


def find_product(cursor: Cursor) -> int:
    """Return the first product that is made of something."""
    found = cursor.read("SELECT MIN(product_id) AS id FROM boms WHERE active = ?", True)
    return int(found[0]["id"])


def create_order(cursor: Cursor, product_id: int, quantity: Decimal, notes: str) -> dict[str, Any]:
    """Create a draft production order; returns it."""
    now, code = _now(), f"PO-{secrets.token_hex(6).upper()}"
    cursor.change(
        "INSERT INTO production_orders (code, product_id, quantity_ordered, quantity_completed,"
        " quantity_scrapped, source, status, qc_status, priority, notes, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(code, product_id, quantity, 0, 0, "manual", "draft", "not_required", 3, notes, now, now),
    )
    return cursor.read(f"SELECT {_SHOWN} FROM production_orders WHERE code = ?", code)[0]


def read_material_availability(cursor: Cursor, order_id: int) -> list[dict[str, Any]] | None:
    """Return what each part of an order needs, and what there is of it; None where there is no such order."""
    orders = cursor.read("SELECT product_id, quantity_ordered FROM production_orders WHERE id = ?", order_id)
    if not orders:
        return None
    lines = cursor.read(
        "SELECT l.component_id, l.quantity FROM bom_lines AS l INNER JOIN boms AS b ON b.id = l.bom_id"
        " WHERE b.product_id = ? AND b.active = ?",
        orders[0]["product_id"],
        True,
    )
    found = []
    for line in lines:
        stock = cursor.read(
            "SELECT SUM(on_hand_quantity) AS there FROM inventory WHERE product_id = ?", line["component_id"]
        )
        there = Decimal(stock[0]["there"] or 0)
        needed = Decimal(line["quantity"]) * Decimal(orders[0]["quantity_ordered"])
        found.append(
            {
                "component_id": line["component_id"],
                "needed": needed,
                "available": there,
                "is_enough": there >= needed,
            }
        )
    return found


def delete_order(cursor: Cursor, order_id: int) -> bool:
    """Delete an order; False where there is none."""
    found: Sequence[object] = cursor.read("SELECT id FROM production_orders WHERE id = ?", order_id)
    cursor.change("DELETE FROM production_orders WHERE id = ?", order_id)
    return bool(found)


def back_up(cursor: Cursor, database: str) -> str:
    """Have SQL Server take a full backup, as an administrator would; returns the medium's name."""
    medium = f"{database}_cutover.bak"
    cursor.change(f"BACKUP DATABASE [{database}] TO DISK = N'{medium}' WITH COPY_ONLY, CHECKSUM")
    return medium


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
