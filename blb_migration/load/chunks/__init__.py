"""Chunked loads: a large table in chunks of its key, several at once, which a killed load goes on with."""
