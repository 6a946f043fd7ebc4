"""Chunked loads: a large table in ranges of its key, several at once, which a killed load goes on with."""
