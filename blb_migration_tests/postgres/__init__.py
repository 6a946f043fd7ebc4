"""Tests of the target side, against a real embedded PostgreSQL."""
