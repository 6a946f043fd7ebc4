"""Tests of the nights, compared."""
