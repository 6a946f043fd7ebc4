"""The sensor ``alerts``: tells people of runs that failed, checks that went red, nights that are missing.

It is none of Dagster's run-status sensors: these go on to the next run where telling has failed. This one
keeps in its cursor what was told and what is still to be sent, so that a restarted daemon repeats nothing and
a mail server that is down loses nothing. It is on where BLB_ALERT_URLS is set when the code location loads.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import replace

from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SkipReason

from blb_migration.alerts.addresses import ALERT_VARIABLE, read_addresses
from blb_migration.alerts.memory import Memory, read_memory
from blb_migration.alerts.outbox import add_alerts, deliver
from blb_migration.alerts.sending import AlertNotSent, send
from blb_migration.defs.alert_causes import find_alerts
from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.tick_budget import TELLING_SECONDS
from blb_migration.errors import ConfigurationError
from blb_migration.settings.environments import PRODUCTION

LOOK_EVERY_SECONDS = 10


def build_alert_sensor(
    resource: MigrationResource,
    clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
) -> SensorDefinition:
    """Build the sensor of the resource's environment; ``clock`` tells UTC."""
    environment = resource.environment

    def look(context: SensorEvaluationContext) -> SkipReason:
        return SkipReason(_look(context, resource, clock()))

    return SensorDefinition(
        name="alerts" if environment == PRODUCTION else f"alerts_{environment}",
        evaluation_fn=look,
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        default_status=_choose_status(),
        description=f"Tells the addresses of {ALERT_VARIABLE} of {environment}'s failures: one message each,"
        " and one when all is equal again. 'blb-migrate alert --test' tries the addresses.",
    )


def _choose_status() -> DefaultSensorStatus:
    try:
        return DefaultSensorStatus.RUNNING if read_addresses() else DefaultSensorStatus.STOPPED
    except ConfigurationError:  # said by whoever reads them next; the code location loads
        return DefaultSensorStatus.RUNNING


def _look(context: SensorEvaluationContext, resource: MigrationResource, now: datetime.datetime) -> str:
    addresses = read_addresses()
    if not addresses:
        return f"nobody is to be told: {ALERT_VARIABLE} is not set"
    known = read_memory(context.cursor, now)
    alerts, memory = find_alerts(context.instance, resource, known, now)
    memory = replace(memory, letters=add_alerts(memory.letters, alerts, addresses))
    deadline = time.monotonic() + TELLING_SECONDS
    delivery = deliver(memory.letters, addresses, now, send, lambda: time.monotonic() > deadline)
    memory = replace(memory, letters=delivery.letters)
    _refuse_silence(memory, known)
    context.update_cursor(memory.to_json())
    if delivery.failures:
        return "NOT SENT, kept and tried again: " + "; ".join(delivery.failures)
    return "; ".join(alert.title for alert in alerts) or "nothing new"


def _refuse_silence(memory: Memory, known: Memory) -> None:
    """Raise AlertNotSent where alerts wait for their next try: the sensor is to look red meanwhile."""
    if memory.letters and memory.letters == known.letters:
        first = memory.letters[0]
        raise AlertNotSent(
            f"alert {first.alert.title!r}",
            found=f"{len(memory.letters)} alerts wait after {first.tries} tries, to address "
            f"{', '.join(map(str, first.left))} of {ALERT_VARIABLE}",
            expected="a service that takes them",
            next_act="Try the addresses: 'blb-migrate alert --test'; what waits is sent by itself afterwards",
        )
