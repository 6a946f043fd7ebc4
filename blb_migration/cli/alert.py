"""``blb-migrate alert``: who is told of failures, and a message to each of them to try it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from blb_migration.cli.exits import report_error
from blb_migration.cli.options import Debug
from blb_migration.errors import ConfigurationError, ExitCode, MigrationError

if TYPE_CHECKING:
    from blb_migration.alerts.addresses import Address


def alert(
    *,
    test: Annotated[bool, typer.Option("--test", help="Send a message to each address now.")] = False,
    debug: Debug = False,
) -> ExitCode:
    """Say how many addresses BLB_ALERT_URLS has, without showing them, and with --test try each.

    Dagster's sensor alerts sends the real ones. Exits with 1 if a service did not take the message. Raises
    ConfigurationError where the variable is not set, or has an address that cannot be used.
    """
    from blb_migration.alerts.addresses import ALERT_VARIABLE, read_addresses
    from blb_migration.cli.terminal import build_console
    from blb_migration.settings.variables import AlertVariables, name_variable

    addresses = read_addresses()
    if not addresses:
        raise ConfigurationError(
            f"environment variable {ALERT_VARIABLE}",
            found="it is not set",
            expected="addresses as https://appriseit.com/services lists them, with spaces between",
            next_act=f"Set {ALERT_VARIABLE} here and where Dagster's code location runs",
        )
    ui_url = AlertVariables.read().ui_url
    console = build_console()
    if not test:
        for address in addresses:
            console.print(f"{address}", markup=False)
        link = f"links begin with {ui_url}" if ui_url else f"no links: {name_variable('ui_url')} is not set"
        console.print(f"{link}. 'blb-migrate alert --test' sends a message to each.", markup=False)
        return ExitCode.RECONCILED
    exit_code = ExitCode.RECONCILED
    for address in addresses:
        error = _try(address, ui_url)
        if error is None:
            console.print(f"{address}: sent", markup=False)
            continue
        report_error(str(error))
        exit_code = error.exit_code if exit_code is ExitCode.RECONCILED else exit_code
    return exit_code


def _try(address: Address, ui_url: str | None) -> MigrationError | None:
    from blb_migration.alerts.message import build_alert, build_run_link
    from blb_migration.alerts.sending import send
    from blb_migration.settings.environments import PRODUCTION, REHEARSAL, describe_pair, is_configured
    from blb_migration.settings.machine import read_host, read_operator

    places = {PRODUCTION: describe_pair(PRODUCTION)}
    if is_configured(REHEARSAL):
        places[REHEARSAL] = describe_pair(REHEARSAL)
    message = build_alert(
        "info",
        "blb-migrate: a test, nothing has failed",
        reason=f"Sent by {read_operator()} on {read_host()}. Failures come here, and 'equal again'.",
        next_act="Nothing is to be done.",
        places=places,
        link=build_run_link(ui_url, "") if ui_url else None,
    )
    try:
        send(message, address)
    except MigrationError as error:
        return error
    return None
