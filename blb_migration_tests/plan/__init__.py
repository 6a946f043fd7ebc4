"""The plan: order, types, decisions, totals. Pure functions, so no database here."""
