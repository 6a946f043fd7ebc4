"""What could not be sent is kept, tried again later, and sent once to each address."""

from __future__ import annotations

import datetime
import itertools
import json
import zoneinfo
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb_migration.alerts.addresses import Address
from blb_migration.alerts.memory import Memory, read_memory
from blb_migration.alerts.message import Alert, build_alert
from blb_migration.alerts.night_times import NightRun, NightTimes, find_due, judge_night
from blb_migration.alerts.outbox import Letter, add_alerts, deliver
from blb_migration.alerts.sending import AlertNotSent

NOON = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)
ADDRESSES = tuple(Address(number, f"json://geheim-{number}") for number in (1, 2, 3))


def alert(number: int) -> Alert:
    return build_alert("failure", f"alert {number}", reason="it failed", places={"source": "erp"})


@given(
    st.lists(st.integers(0, 9), max_size=6, unique=True),
    st.lists(st.sets(st.integers(1, 3)), max_size=12),
)
def test_each_alert_reaches_each_address_once_whatever_is_down_meanwhile(
    numbers: list[int], outages: Sequence[set[int]]
) -> None:
    sent: list[tuple[str, int]] = []
    letters = add_alerts((), [alert(number) for number in numbers], ADDRESSES)
    now = NOON
    for down in (*outages, set()):

        def send(told: Alert, address: Address, down: set[int] = down) -> None:
            if address.number in down:
                raise AlertNotSent("it", found="is down")
            sent.append((told.title, address.number))

        # Between two looks it is kept as JSON, as a restart finds it.
        kept = read_memory(Memory(NOON, NOON, letters=letters).to_json(), now)
        letters = deliver(kept.letters, ADDRESSES, now, send).letters
        now += datetime.timedelta(minutes=11)
    assert letters == ()
    assert sorted(sent) == sorted(
        (f"alert {number}", each.number) for number in numbers for each in ADDRESSES
    )


def test_what_an_attempt_has_no_time_for_is_sent_by_the_next_one() -> None:
    sent: list[str] = []

    def send(told: Alert, address: Address) -> None:
        sent.append(f"{told.title} to {address.number}")

    letters = add_alerts((), [alert(1), alert(2)], ADDRESSES)
    first = deliver(letters, ADDRESSES, NOON, send, is_time_up=lambda: len(sent) >= 2)
    assert sent == ["alert 1 to 1", "alert 1 to 2"] and first.sent_count == 2
    assert [(each.left, each.tries) for each in first.letters] == [((3,), 1), ((1, 2, 3), 0)]
    later = NOON + datetime.timedelta(minutes=1)
    assert deliver(first.letters, ADDRESSES, later, send).letters == ()
    assert len(sent) == len(set(sent)) == 6


def test_a_service_that_is_down_is_tried_less_and_less_often() -> None:
    def refuse(_alert: Alert, _address: Address) -> None:
        tries.append(now)
        raise AlertNotSent("it", found="is down")

    tries: list[datetime.datetime] = []
    letters: tuple[Letter, ...] = add_alerts((), [alert(1)], ADDRESSES[:1])
    now = NOON
    while now < NOON + datetime.timedelta(hours=1):
        delivery = deliver(letters, ADDRESSES, now, refuse)
        letters, now = delivery.letters, now + datetime.timedelta(seconds=20)
    pauses = [(after - before).total_seconds() for before, after in itertools.pairwise(tries)]
    assert pauses[:5] == [20, 40, 80, 160, 320] and max(pauses) == 600


def test_what_is_kept_has_no_address() -> None:
    memory = Memory(NOON, NOON, letters=add_alerts((), [alert(1)], ADDRESSES)).tell("r-1").turn_bad(NOON)
    assert "geheim" not in memory.to_json()
    assert read_memory(memory.to_json(), NOON) == memory
    assert json.loads(memory.to_json())["told"] == ["r-1"]


def test_what_was_told_is_remembered_for_long_but_not_for_ever() -> None:
    memory = Memory(NOON, NOON)
    for number in range(500):
        memory = memory.tell(str(number))
    assert memory.told[-1] == "499" and len(memory.told) == 200


def test_an_address_that_is_no_longer_named_is_not_waited_for() -> None:
    letters = add_alerts((), [alert(1)], ADDRESSES)
    assert deliver(letters, (), NOON, lambda _alert, _address: None).letters == ()


@given(
    st.datetimes(
        datetime.datetime(2020, 1, 1), datetime.datetime(2035, 1, 1), timezones=st.just(datetime.UTC)
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_the_night_was_due_at_the_latest_02_00_of_its_zone(now: datetime.datetime, timezone: str) -> None:
    due = find_due(now, timezone)
    local = due.astimezone(zoneinfo.ZoneInfo(timezone))
    assert datetime.timedelta(0) <= now - due < datetime.timedelta(hours=26)
    assert (local.hour, local.minute) in ((2, 0), (3, 0), (2, 30))  # where 02:00 is skipped in spring


TIMES = NightTimes("UTC", datetime.timedelta(minutes=30), datetime.timedelta(hours=6))
DUE = datetime.datetime(2026, 11, 29, 2, tzinfo=datetime.UTC)
QUEUED, AT_WORK, OVER = NightRun("a", None, False), NightRun("b", DUE, False), NightRun("c", DUE, True)


@pytest.mark.parametrize(
    ("minutes", "runs", "late"),
    [
        (29, (), None),
        (30, (), "not begun"),
        (31, (QUEUED,), "not begun"),
        (31, (AT_WORK,), None),
        (359, (AT_WORK,), None),
        (361, (AT_WORK,), "not over"),
        (361, (OVER,), None),
        (361, (OVER, AT_WORK), None),
    ],
)
def test_a_night_is_late_when_it_has_not_begun_or_is_not_over(
    minutes: int, runs: tuple[NightRun, ...], late: str | None
) -> None:
    assert judge_night(DUE + datetime.timedelta(minutes=minutes), DUE, TIMES, runs) == late
