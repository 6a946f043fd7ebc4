"""Who uses the ERP: staff and customers, their log-ins, and what the source alone knows of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.sandbox.erp import words
from blb_migration.sandbox.erp.draws import (
    bcrypt_hashes,
    chance,
    choose_from,
    digits,
    draw,
    draw_codes,
    join,
    pick,
    tokens,
)
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import HOUR, NOW, later, moment, spread
from blb_migration.sandbox.erp.physical import BoolArray, Decimals, IntArray
from blb_migration.sandbox.erp.world import World

LAST_DATETIME = moment(9999, 12, 31, 23, 59, 59) + 997_000  # SQL Server's latest DATETIME
LAST_DATETIME2 = moment(9999, 12, 31, 23, 59, 59) + 999_999  # to the microsecond that fits the target


def staff_ids(world: World) -> IntArray:
    """Return the users who run the farm: the first ones."""
    ids: IntArray = world["users"].ids[: len(words.STAFF)]
    return ids


def customer_ids(world: World) -> IntArray:
    """Return the users who buy."""
    ids: IntArray = world["users"].ids[len(words.STAFF) :]
    return ids


def make_users(world: World) -> Rows:
    """Make the staff first, then the customers by the day they signed up."""
    rows = world.start("users", world.count("users"))
    rng, count, staff = rows.rng, len(rows), len(words.STAFF)
    first = draw_codes(rng, len(words.LATIN_FIRST_NAMES), count)
    last = draw_codes(rng, len(words.LATIN_LAST_NAMES), count)
    is_staff = np.arange(count) < staff
    clipped = np.minimum(np.arange(count), staff - 1)
    first_name = _either(
        is_staff, [name for name, _, _ in words.STAFF], clipped, words.LATIN_FIRST_NAMES, first
    )
    last_name = _either(is_staff, [name for _, name, _ in words.STAFF], clipped, words.LATIN_LAST_NAMES, last)
    rows.put(first_name=first_name, last_name=last_name, null=chance(rng, count, 0.03) & ~is_staff)
    mailbox = join(_to_mailbox(first_name), ".", _to_mailbox(last_name), digits(rows.ids))
    rows.put(email=join(mailbox, "@", draw(rng, ("example.com", "example.org", "mail.example.net"), count)))
    rows.put(password_hash=bcrypt_hashes(rng, count), email_verified=chance(rng, count, 0.9) | is_staff)
    kind = _either(is_staff, [role for *_, role in words.STAFF], clipped, ("customer",), np.zeros_like(first))
    rows.put(account_type=kind, status=draw(rng, ("active", "inactive", "suspended"), count, (90, 8, 2)))
    rows.put(customer_number=join("CUST-", digits(rows.ids, 6)), null=is_staff)
    rows.put(company_name=draw(rng, words.COMPANIES, count), null=is_staff | chance(rng, count, 0.7))
    created = spread(rng, count)
    rows.put(created_at=created, updated_at=np.minimum(later(rng, created, 0, 900), NOW))
    seen = np.minimum(later(rng, created, 1, 6_000), NOW - rng.integers(0, 90, count) * HOUR)
    rows.put(last_login_at=np.maximum(seen, created), null=chance(rng, count, 0.12))
    rows.put(created_by=rows.ids[0], null=~chance(rng, count, 0.1))
    return rows


def _either(
    condition: BoolArray,
    words_if: list[str],
    codes_if: IntArray,
    words_else: tuple[str, ...],
    codes_else: IntArray,
) -> pa.Array:
    return pc.if_else(pa.array(condition), pick(words_if, codes_if), pick(words_else, codes_else))


def _to_mailbox(names: pa.Array) -> pa.Array:
    """``Günther`` becomes ``gunther``: letters without their marks, in lower case."""
    plain = pc.utf8_normalize(pc.utf8_lower(names), "NFD")
    return pc.replace_substring_regex(plain, "[^a-z]", "")


def make_refresh_tokens(world: World) -> Rows:
    """Log-in sessions of this year; one never ends."""
    rows = world.start("refresh_tokens", world.count("refresh_tokens"))
    rng, count = rows.rng, len(rows)
    created = spread(rng, count, start=moment(2025, 1, 2))
    expires = created + 7 * 24 * HOUR
    expires[1] = LAST_DATETIME  # the shop floor's display never logs out
    revoked = chance(rng, count, 0.3)
    rows.put(user_id=choose_from(rng, world["users"].ids, count), token_hash=tokens(rng, count, 64))
    rows.put(created_at=created, expires_at=expires, revoked=revoked)
    rows.put(revoked_at=np.minimum(later(rng, created, 0, 100), NOW), null=~revoked)
    return rows


def make_password_reset_requests(world: World) -> Rows:
    """Forgotten passwords, and how far their reset came."""
    rows = world.start("password_reset_requests", world.count("password_reset_requests"))
    rng, count = rows.rng, len(rows)
    status = draw_codes(rng, 4, count, (5, 2, 1, 1))
    created = spread(rng, count)
    approved = np.minimum(later(rng, created, 0, 5), NOW)
    rows.put(user_id=choose_from(rng, customer_ids(world), count), created_at=created)
    rows.put(status=pick(("completed", "approved", "pending", "denied"), status))
    rows.put(
        token=tokens(rng, count, 64), approval_token=tokens(rng, count, 64), expires_at=created + 24 * HOUR
    )
    rows.put(approved_at=approved, null=status > 1)
    rows.put(completed_at=np.minimum(later(rng, approved, 0, 3), NOW), null=status > 0)
    return rows


def make_customer_traceability_profiles(world: World) -> Rows:
    """Make the customers who want to know which lot their parts came from."""
    customers = customer_ids(world)
    count = min(world.count("customer_traceability_profiles"), len(customers))
    rows = world.start("customer_traceability_profiles", count)
    rng = rows.rng
    rows.put(user_id=np.sort(rng.choice(customers, count, replace=False)))
    levels = ("lot", "serial", "full", "none")
    rows.put(traceability_level=draw(rng, levels, count), requires_coc=chance(rng, count, 0.5))
    rows.put(requires_coa=chance(rng, count, 0.3), requires_first_article=chance(rng, count, 0.1))
    standards = ("ISO 9001:2015", "ISO 13485, FDA 21 CFR 820", "AS9100D", None)
    rows.put(compliance_standards=draw(rng, standards, count), record_retention_days=2555)
    return rows


def make_customers(world: World) -> Rows:
    """Make the table of the ERP's first years; it still has the names that need more than Latin letters."""
    rows = world.start("customers", world.count("customers"))
    rng, count = rows.rng, len(rows)
    names = (*words.COMPANIES, *words.WORLD_COMPANIES)
    rows.put(code=join("C", digits(rows.ids, 5)), name=draw(rng, names, count))
    rows.put(contact_name=draw(rng, words.WORLD_PEOPLE, count), null=chance(rng, count, 0.5))
    rows.put(credit_limit=Decimals(rng.integers(0, 50, count) * 500, 0), null=chance(rng, count, 0.3))
    rows.put(tax_rate=Decimals(rng.choice([0, 600, 700, 825], count), 2), null=chance(rng, count, 0.3))
    shop_numbers = 2**31 + rng.integers(0, 10**9, count)  # more than an int holds
    rows.put(woocommerce_customer_id=shop_numbers, null=chance(rng, count, 0.6))
    return rows


def make_licenses(world: World) -> Rows:
    """Licence keys, a table that only the source has."""
    rows = world.start("licenses", world.count("licenses"))
    rng, count = rows.rng, len(rows)
    rows.put(user_id=rng.choice(staff_ids(world), count), license_key_hash=tokens(rng, count, 64))
    rows.put(tier=draw(rng, ("pro", "enterprise"), count))
    activated = spread(rng, count)
    status = draw_codes(rng, 3, count, (6, 2, 1))
    expires = np.where(status == 0, LAST_DATETIME2, np.minimum(activated + 365 * 24 * HOUR, NOW))
    rows.put(status=pick(("active", "expired", "revoked"), status), activated_at=activated)
    rows.put(expires_at=expires, created_at=activated, updated_at=activated)
    rows.put(revoked_at=np.minimum(later(rng, activated, 500, 2_000), NOW), null=(status != 2))
    return rows
