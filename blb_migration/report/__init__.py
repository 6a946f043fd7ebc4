"""The report: what happened, what was compared, and whether it is equal. Read from the ledger."""
