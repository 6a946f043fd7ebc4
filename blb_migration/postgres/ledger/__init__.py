"""The load ledger in the target: its tables and views, and what is written to and read from them."""
