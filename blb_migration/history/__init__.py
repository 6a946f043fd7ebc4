"""The nights, compared: what changed since the last one, how long they took, and what the next one will take.

Pure: no database, no Dagster. ``postgres/ledger/nights`` reads what stands here; the report, the command
``history`` and the cutover's rehearsal show it.
"""
