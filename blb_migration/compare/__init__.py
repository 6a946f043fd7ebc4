"""Reconciliation: each side computes its own figures in SQL, and they must be equal. Exactly."""
