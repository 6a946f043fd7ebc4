"""Whatever of Dagster is used without being promised: private modules, unlisted methods, overridden ones.

Reached through ``optional_internals.find_internal`` alone. Each module checks what it stands on when it is
imported, and raises ImportError otherwise, so that a change is noticed before a run has begun.
"""
