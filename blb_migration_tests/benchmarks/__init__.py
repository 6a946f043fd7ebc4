"""How fast it is, beside the floors of this machine and beside what people use today.

``python -m blb_migration_tests.benchmarks`` measures everything in one run, the contestants of a table
in turn, and prints medians. Nothing here is run by pytest but a quick pass over the whole of it; metrics
that were published, and the commands that made them, are in docs/performance.md.
"""
