"""Comparing: what is equal passes, and one changed bit does not."""
