"""``blb-migrate restore-keys``: foreign keys that a run has left dropped, restored without a load."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from blb_migration.cli.options import Debug, TargetConn
from blb_migration.errors import ExitCode

if TYPE_CHECKING:
    from blb_migration.load.finish import RestoredConstraints

_INTERRUPTED = (
    "interrupted: keys that were restored before stay, those that were not are on record; run it again."
)


def restore_keys(target_conn: TargetConn = None, debug: Debug = False) -> ExitCode:
    """Restore and validate every foreign key that the ledger has as dropped; load nothing.

    Needs the target alone. Exits with 1 where rows are in the way of a key, and names them; all other keys
    are back.

    Raises KeysNotRestored, and TargetNotOurs for a target that is live.
    """
    from blb_migration.cli.terminal import build_console
    from blb_migration.load.finish import restore_dropped_keys
    from blb_migration.load.scratch import clear_left_scratch
    from blb_migration.postgres.connect import TargetConnector
    from blb_migration.postgres.ledger.live_mark import refuse_live_target
    from blb_migration.postgres.ledger.versions import upgrade_ledger
    from blb_migration.progress.long_keys import KeyWatch
    from blb_migration.run_hold import holding_target
    from blb_migration.settings import read_target_settings

    console = build_console()
    connector = TargetConnector(read_target_settings(target_conn))

    def say(text: str) -> None:
        console.print(text, markup=False)

    with connector.connect() as connection:
        refuse_live_target(connection, "the target's foreign keys")
    try:
        run_id = str(uuid.uuid4())
        with holding_target(connector, run_id) as hold, KeyWatch(say) as watch:
            hold.ensure()
            with connector.connect() as connection:
                if upgrade_ledger(connection):
                    clear_left_scratch(connection, run_id)
            restored = restore_dropped_keys(connector, on_key=watch.key_begun)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_INTERRUPTED) from None
    console.print(_describe(restored))
    restored.require_all()
    return ExitCode.RECONCILED


def _describe(restored: RestoredConstraints) -> str:
    from blb_migration.progress.quantities import count

    if not restored.restored:
        return "Nothing to restore: no run has left a foreign key of this target dropped."
    in_place = sum(key.error is None for key in restored.restored)
    return f"{in_place:,} of {count(len(restored.restored), 'foreign key')} restored and validated."
