"""A table's rows once: read from the source, converted, digested, encoded. For ``load/`` and ``compare/``."""
