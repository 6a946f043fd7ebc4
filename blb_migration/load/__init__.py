"""Loading: the target is prepared, each table is loaded, keys and statistics are put in order at the end.

Calls ``feed/`` for the source's rows and ``postgres/`` for every statement; knows nothing of Dagster.
"""
