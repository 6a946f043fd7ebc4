"""Who is told what: an alert in words, the addresses, and what is still to be sent. No Dagster, no database.

When something is worth an alert is decided by ``defs/alert_causes.py``; when a night is late, by
``night_times``. ``apprise`` sends, and is imported when it does.
"""
