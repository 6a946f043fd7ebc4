"""Everything that would go wrong, found before a row is written: access, catalogs, values, keys."""
