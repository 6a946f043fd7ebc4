"""Reconciliation: each side computes its own metrics in SQL, and they must be equal. Exactly."""
