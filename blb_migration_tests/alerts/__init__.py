"""Alerts: what is in one, that it arrives, and what is kept until it does."""
