"""Schema creation: the target's tables as this tool makes them."""
