"""Sales orders from the first click to delivery: orders, lines, payments, and the events they left."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.erp import farm_words as farm
from blb_migration.sandbox.erp import words
from blb_migration.sandbox.erp.draws import (
    chance,
    code_by_year,
    digits,
    draw,
    draw_codes,
    join,
    pick,
    round_half_up,
    tokens,
)
from blb_migration.sandbox.erp.erp_rows import Rows
from blb_migration.sandbox.erp.moments import HOUR, NOW, has_come, hold_some_back, later, to_years
from blb_migration.sandbox.erp.people import staff_ids
from blb_migration.sandbox.erp.physical import BoolArray, Decimals
from blb_migration.sandbox.erp.quotes import draw_customers, goods_of
from blb_migration.sandbox.erp.world import World

# How far an order has come; cancelled stands apart.
PENDING, CONFIRMED, IN_PRODUCTION, SHIPPED, DELIVERED, COMPLETED, CANCELLED = range(7)
_STATUSES = ("pending", "confirmed", "in_production", "shipped", "delivered", "completed", "cancelled")
_FULFILLMENT = ("pending", "pending", "in_progress", "shipped", "delivered", "delivered", "cancelled")
_PAYMENT_STATUSES = ("pending", "paid", "partial", "refunded")
_UNPAID, _PAID, _PARTIAL, _REFUNDED = range(4)
_DAY = 24 * HOUR


def make_sales_orders(world: World) -> Rows:
    """Orders by the time they come in, with what became of them."""
    rows = world.start("sales_orders")
    rng, count = rows.rng, len(rows)
    created, quote = world.facts["orders.created"], world.facts["orders.quote"]
    is_quoted, quotes = quote >= 0, world["quotes"]
    rows.put(created_at=created, order_number=code_by_year("SO", to_years(created)))
    rows.put(user_id=np.where(is_quoted, quotes["user_id"][quote], draw_customers(world, rng, created)))
    rows.put(quote_id=quotes.ids[quote], null=~is_quoted)
    rows.put(order_type=pick(("line_item", "quote_based"), is_quoted.astype(np.int64)))
    source = np.where(is_quoted, 0, 1 + draw_codes(rng, 3, count, (5, 3, 2)))
    rows.put(source=pick(("portal", "squarespace", "woocommerce", "manual"), source))
    rows.put(source_order_id=digits(100_000 + np.arange(count) * 3), null=(source == 0) | (source == 3))
    _plan_lines(world, rows)
    _put_money(world, rows)
    _put_progress(world, rows)
    rows.put(material_type=draw(rng, [code for code, *_ in farm.MATERIALS], count))
    rows.put(mrp_run_id=rng.choice(world["mrp_runs"].ids, count), null=chance(rng, count, 0.5))
    return rows


def _plan_lines(world: World, orders: Rows) -> None:
    """Which goods each order has, how many, at what price; sets the order's own product columns."""
    rng, quote = world.generator("sales_order_lines.shape"), world.facts["orders.quote"]
    products, quotes = world["products"], world["quotes"]
    lines_per_order = np.where(quote >= 0, 1, 1 + draw_codes(rng, 5, len(orders), (5, 3, 2, 1, 1)))
    order = np.repeat(np.arange(len(orders)), lines_per_order)
    count, of_quote = len(order), quote[order]
    is_quoted = of_quote >= 0
    product = np.where(is_quoted, world.facts["quotes.product"][of_quote], rng.choice(goods_of(world), count))
    quantity = np.where(
        is_quoted, quotes["quantity"][of_quote], rng.choice([1, 1, 1, 2, 2, 3, 4, 6, 10], count)
    )
    list_cents = products["selling_price"][product]
    list_cents = np.where(chance(rng, count, 0.01), 0, list_cents)  # a free sample
    unit_cents = np.where(is_quoted, quotes["unit_price"][of_quote], list_cents)
    discount = np.where(~is_quoted & chance(rng, count, 0.15), round_half_up(quantity * unit_cents, 10), 0)
    total = quantity * unit_cents - discount
    first = np.cumsum(lines_per_order) - lines_per_order
    orders.put(product_id=products.ids[product[first]], null=chance(rng, len(orders), 0.3))
    orders.put(
        product_name=products["name"].take(pa.array(product[first])),
        unit_price=Decimals(unit_cents[first], 2),
    )
    orders.put(quantity=np.bincount(order, quantity, len(orders)).astype(np.int64))
    orders.put(total_price=Decimals(np.bincount(order, total, len(orders)).astype(np.int64), 2))
    world.facts.update({"lines.order": order, "lines.product": product, "lines.quantity": quantity})
    world.facts.update({"lines.unit_price": unit_cents, "lines.discount": discount, "lines.total": total})


def _put_money(world: World, rows: Rows) -> None:
    """total + tax + shipping = grand total, to the cent; a quoted order as its quote says."""
    rng, count = rows.rng, len(rows)
    quote, quotes = world.facts["orders.quote"], world["quotes"]
    is_quoted, total = quote >= 0, rows["total_price"]
    rate = np.where(is_quoted, quotes["tax_rate"][quote], rng.choice([0, 700, 700, 825], count))
    tax = round_half_up(total * rate, 10_000)
    shipping = np.where(is_quoted, quotes["shipping_cost"][quote], rng.choice([0, 0, 595, 895, 1299], count))
    shipping = np.where(is_quoted & quotes.is_null("shipping_cost")[quote], 0, shipping)
    rows.put(tax_rate=Decimals(rate, 4), tax_amount=Decimals(tax, 2), null=(rate == 0) & is_quoted)
    rows.put(is_taxable=rate > 0, null=chance(rng, count, 0.02))
    rows.put(shipping_cost=Decimals(shipping, 2), null=(shipping == 0) & chance(rng, count, 0.3))
    rows.put(grand_total=Decimals(total + tax + shipping, 2))


def _put_progress(world: World, rows: Rows) -> None:
    """Each stage after the one before; what would lie after now has not happened."""
    rng, count, created = rows.rng, len(rows), rows["created_at"]
    confirmed = later(rng, created, 0, 20)
    paid = later(rng, created, 0, 60)
    shipped = later(rng, np.maximum(confirmed, paid), 20, 200)
    delivered = later(rng, shipped, 24, 120)
    completed = later(rng, delivered, 1, 60)
    # Work begins with the confirmation, so that one counts for two stages.
    reached = sum(
        has_come(times).astype(np.int64) for times in (confirmed, confirmed, shipped, delivered, completed)
    )
    stage = hold_some_back(rng, np.asarray(reached), created, days=90, share=0.4)
    is_cancelled = (stage > PENDING) & chance(rng, count, 0.05)
    stage = np.where(is_cancelled, CANCELLED, stage)
    is_paid = has_come(paid) & ((stage >= CONFIRMED) & ~is_cancelled | chance(rng, count, 0.2))
    payment = np.where(is_paid, np.where(is_cancelled, _REFUNDED, _PAID), _UNPAID)
    payment = np.where((payment == _PAID) & (stage < SHIPPED) & chance(rng, count, 0.2), _PARTIAL, payment)
    has_shipped = (stage >= SHIPPED) & ~is_cancelled
    has_arrived = (stage >= DELIVERED) & ~is_cancelled
    cancelled = later(rng, confirmed, 1, 90)
    last = np.select(
        [stage == COMPLETED, stage == DELIVERED, stage == SHIPPED, stage > PENDING],
        [completed, delivered, shipped, confirmed],
        created,
    )
    rows.put(status=pick(_STATUSES, stage), fulfillment_status=pick(_FULFILLMENT, stage))
    rows.put(payment_status=pick(_PAYMENT_STATUSES, payment), updated_at=np.minimum(last, NOW))
    rows.put(confirmed_at=np.minimum(confirmed, NOW), null=stage == PENDING)
    rows.put(paid_at=np.minimum(paid, NOW), null=payment == _UNPAID)
    rows.put(shipped_at=shipped, null=~has_shipped)
    rows.put(delivered_at=delivered, null=~has_arrived)
    rows.put(actual_completion_date=completed, null=stage != COMPLETED)
    rows.put(estimated_completion_date=created + 10 * _DAY, null=chance(rng, count, 0.2))
    rows.put(cancelled_at=np.minimum(cancelled, NOW), null=~is_cancelled)
    rows.put(
        cancellation_reason=draw(rng, ("Customer changed their mind", "Duplicate"), count), null=~is_cancelled
    )
    rows.put(tracking_number=join("9400", tokens(rng, count, 18, b"0123456789")), null=~has_shipped)
    rows.put(carrier=draw(rng, words.CARRIERS, count), null=~has_shipped)
    world.facts.update({"orders.stage": stage, "orders.payment": payment})


def make_sales_order_lines(world: World) -> Rows:
    """Make the lines planned with the orders; their totals add up to the orders'."""
    orders, facts = world["sales_orders"], world.facts
    order, quantity = facts["lines.order"], facts["lines.quantity"]
    rows = world.start("sales_order_lines", len(order))
    stage = facts["orders.stage"][order]
    is_shipped = (stage >= SHIPPED) & (stage != CANCELLED)
    rows.put(sales_order_id=orders.ids[order], product_id=world["products"].ids[facts["lines.product"]])
    rows.put(quantity=Decimals(quantity * 100, 2), unit_price=Decimals(facts["lines.unit_price"], 2))
    rows.put(
        discount=Decimals(facts["lines.discount"], 2),
        null=chance(rows.rng, len(rows), 0.2) & (facts["lines.discount"] == 0),
    )
    rows.put(total=Decimals(facts["lines.total"], 2), tax_rate=Decimals(orders["tax_rate"][order], 2))
    allocated = np.where((stage == CONFIRMED) | (stage == IN_PRODUCTION), quantity, 0)
    rows.put(
        allocated_quantity=Decimals(allocated, 0), null=(allocated == 0) & chance(rows.rng, len(rows), 0.1)
    )
    shipped = np.where(is_shipped, quantity, 0)
    rows.put(shipped_quantity=Decimals(shipped, 0), null=(shipped == 0) & chance(rows.rng, len(rows), 0.3))
    return rows


def make_payments(world: World) -> Rows:
    """In full, in two halves, or given back as a negative amount."""
    orders, payment = world["sales_orders"], world.facts["orders.payment"]
    rng = world.generator("payments.shape")
    in_two = (payment == _PAID) & chance(rng, len(orders), 0.1)
    parts = np.select([payment == _UNPAID, in_two | (payment == _REFUNDED)], [0, 2], 1)
    order = np.repeat(np.arange(len(orders)), parts)
    is_second = np.concatenate([[False], order[1:] == order[:-1]])
    total, half = orders["grand_total"][order], orders["grand_total"][order] // 2
    is_refund = is_second & (payment[order] == _REFUNDED)
    is_first_half = (in_two[order] & ~is_second) | (payment[order] == _PARTIAL)
    amount = np.select([is_refund, is_first_half, is_second], [-total, half, total - half], total)
    paid = orders["paid_at"][order]
    paid = np.where(is_second, np.minimum(later(rng, paid, 24, 200), NOW), paid)
    in_order = np.argsort(paid, kind="stable")
    order, amount, paid, is_refund = order[in_order], amount[in_order], paid[in_order], is_refund[in_order]
    rows = world.start("payments", len(order))
    method = draw_codes(rows.rng, 5, len(rows), (6, 2, 1, 1, 1))
    rows.put(sales_order_id=orders.ids[order], amount=Decimals(amount, 2), payment_date=paid)
    rows.put(payment_number=code_by_year("PAY", to_years(paid)), created_at=paid, updated_at=paid)
    rows.put(payment_method=pick(("credit_card", "paypal", "check", "cash", "ach"), method))
    rows.put(payment_type=pick(("payment", "refund"), is_refund.astype(np.int64)), status="completed")
    rows.put(transaction_id=join("ch_", tokens(rows.rng, len(rows), 24)), null=method > 1)
    rows.put(check_number=digits(rows.rng.integers(100, 9_999, len(rows)), 4), null=method != 2)
    rows.put(recorded_by_id=rows.rng.choice(staff_ids(world), len(rows)), null=method < 2)
    return rows


_EVENTS = (  # column with its time, type, title, old value, new value
    ("created_at", "created", "Order created", None, "pending"),
    ("confirmed_at", "status_change", "Order confirmed", "pending", "confirmed"),
    ("paid_at", "payment_received", "Payment received", None, None),
    ("shipped_at", "shipped", "Order shipped", "in_production", "shipped"),
    ("delivered_at", "delivered", "Order delivered", "shipped", "delivered"),
    ("cancelled_at", "cancelled", "Order cancelled", "confirmed", "cancelled"),
)
_EVENT_SHARES = np.array([1.0, 0.55, 0.5, 0.6, 0.5, 1.0])


def make_order_events(world: World) -> Rows:
    """Return what the log caught of each order, in the order it happened."""
    orders, rng = world["sales_orders"], world.generator("order_events.shape")
    happened = np.stack([~orders.is_null(column) for column, *_ in _EVENTS], axis=1)
    order, event = np.nonzero(happened & (rng.random(happened.shape) < _EVENT_SHARES))
    times = np.stack([orders[column] for column, *_ in _EVENTS], axis=1)[order, event]
    in_order = np.argsort(times, kind="stable")
    order, event, times = order[in_order], event[in_order], times[in_order]
    rows = world.start("order_events", len(order))
    _, kinds, titles, old_values, new_values = zip(*_EVENTS, strict=True)
    rows.put(sales_order_id=orders.ids[order], created_at=times, event_type=pick(kinds, event))
    rows.put(title=pick(titles, event), old_value=pick(old_values, event), new_value=pick(new_values, event))
    is_by_person: BoolArray = chance(rows.rng, len(rows), 0.6)
    rows.put(user_id=rows.rng.choice(staff_ids(world), len(rows)), null=~is_by_person)
    is_shipment = event == 3
    rows.put(
        metadata_key="carrier", metadata_value=draw(rows.rng, words.CARRIERS, len(rows)), null=~is_shipment
    )
    return rows
